"""What can be asked of a training, for forms: names with a sentence each. The recipes themselves load the numeric stack."""

RECIPE_CHOICES = {
    "auto": "Races the five below it that learn quickly (from 5,000 tracks on the network too) and keeps the best, or the mean "
    "of the best. Half a minute to a quarter of an hour.",
    "ridge_thresholds": "A straight line through all features, and cuts for the levels. Seconds, and hard to beat with few labels.",
    "ordinal_logit": "One line for the nine questions “is it above this level?”. Seconds.",
    "gp": "A smooth curve whose smoothness the labels choose. A minute or more.",
    "svr": "A smooth curve that is deaf to errors below half a level. A minute or more.",
    "xgboost": "Boosted trees: the thesis’s second best. A minute or more.",
    "mean_of_models": "The mean of ridge, GP, SVR and trees: where they err differently, errors cancel. Minutes.",
    "network": "The thesis’s neural network. Wants thousands of labels, and minutes.",
    "crnn": "A convolutional recurrent network on spectrograms, which manage.py compute_features --set logmel makes. Wants "
    "thousands of labels, and a quarter of an hour at the least.",
    "xgboost_classifier": "Trees that take levels for ten unordered names: what the thesis compared with.",
    "annotator_ensemble": "A model of each busy annotator’s own labels, and their mean vote: the thesis’s experiment.",
    "baseline": "One logistic regression a level: the thesis’s baseline, to be beaten.",
}
DEFAULT_RECIPE = "auto"

DECISION_CHOICES = {
    "lowest_macro_mae": "Lowest macro-MAE: every level counts alike, so rare levels are predicted more often.",
    "lowest_mae": "Lowest MAE: every track counts alike; scores are rounded, and rare levels are often missed.",
}
DEFAULT_DECISION = "lowest_macro_mae"
