"""The three roles are groups with permissions. Views ask for permissions, never for a role's name."""

ANNOTATOR, LEAD, ADMIN = "annotator", "lead", "admin"

_LABEL = ["annotations.add_annotation"]
_REVIEW = ["annotations.add_decision", "annotations.view_flag", "modeling.view_trainingrun", "jobs.follow_job"]
_GUIDE = ["annotations.add_assignment", "annotations.add_reference"]
_RULE_REVIEW = ["annotations.add_reviewrules", "annotations.add_annotatorexclusion"]
_RULE = ["annotations.add_labellingrules"]
_IMPORT = ["intake.add_upload"]
_EXPERIMENT = ["modeling.view_experiment", "modeling.add_experiment"]
_PREDICT = ["modeling.view_prediction", "scoring.add_scoring"]
_TRAIN = ["modeling.add_trainingrun", "modeling.add_promotion", "modeling.add_retrainingrules"]
# Exports too: a file of everybody's labels cannot be blind.
_ADMINISTER = [
    *("annotations.change_user", "accounts.add_invitation", "audit.view_auditentry"),
    *("webhooks.add_webhook", "exports.add_export"),
]
_LEAD = _REVIEW + _GUIDE + _RULE_REVIEW + _IMPORT + _EXPERIMENT + _PREDICT

ROLE_PERMISSIONS: dict[str, list[str]] = {
    ANNOTATOR: _LABEL,
    LEAD: _LABEL + _LEAD,
    ADMIN: _LABEL + _LEAD + _RULE + _TRAIN + _ADMINISTER,
}


def grant_role_permissions(using: str, **kwargs) -> None:
    """After each migrate and flush: make the groups and give them exactly their permissions."""
    from django.contrib.auth.models import Group, Permission

    by_name = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
    }
    for role, names in ROLE_PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=role)
        # Apps are migrated one after another: a later one's permissions come with its own signal.
        group.permissions.set([by_name[name] for name in names if name in by_name])
