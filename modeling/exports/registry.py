from modeling.exports.label_tables import DECISIONS, HISTORY, LABELS, LEVELS_OF_TRACKS, TRACKS
from modeling.exports.model_tables import FEATURES, PREDICTIONS

TABLES = {table.name: table for table in (LABELS, LEVELS_OF_TRACKS, HISTORY, DECISIONS, PREDICTIONS, FEATURES, TRACKS)}
