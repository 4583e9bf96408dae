"""What the numeric parts are worth on real labels; run by hand, data not included."""
