from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed, compressed static files; imports between our ES modules are rewritten to the hashed names too."""

    support_js_module_import_aggregation = True
