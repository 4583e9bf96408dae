"""Who may watch the model, train it, and put it to use."""

from django.contrib.auth.decorators import permission_required

see_runs = permission_required("modeling.view_trainingrun", raise_exception=True)
may_train = permission_required("modeling.add_trainingrun", raise_exception=True)
may_promote = permission_required("modeling.add_promotion", raise_exception=True)
