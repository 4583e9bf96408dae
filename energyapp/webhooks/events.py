"""What others may hear of, by name."""

EVENTS = {
    "run.finished": "A training has ended with a model",
    "flags.raised": "A training has found labels to review",
    "export.ready": "An export can be fetched",
}
# To whoever wants to see whether messages arrive.
PING = "ping"
