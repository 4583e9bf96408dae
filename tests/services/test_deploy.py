"""What goes to production is written down once and consistently. (The images themselves are not built here.)"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
NGINX = (ROOT / "deploy/nginx.conf").read_text()
EXAMPLE = (ROOT / "deploy/.env.example").read_text()
ONE_SHOT = {"migrate"}
# Most installations have none: empty, they are only missed by the one command that needs them.
OPTIONAL_SECRETS = {"ENERGYAPP_SPOTIFY_CLIENT_SECRET"}
EXPECTED_SERVICES = {
    "nginx",
    "web",
    "migrate",
    "worker-features",
    "worker-intake",
    "worker-train",
    "beat",
    "postgres",
    "redis",
}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^(?:HEALTHCHECK .*)?{name}\s+(.+)$", DOCKERFILE, re.MULTILINE)


def test_the_services_are_those_that_the_documents_name():
    assert set(SERVICES) == EXPECTED_SERVICES


@pytest.mark.parametrize("name", sorted(EXPECTED_SERVICES))
def test_every_service_is_checked_and_comes_back(name):
    service = SERVICES[name]

    assert service["restart"] == ("on-failure:3" if name in ONE_SHOT else "unless-stopped")
    assert ("test" in service["healthcheck"]) == (name not in ONE_SHOT)
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_nginx_can_be_reached_and_by_default_from_this_machine_only():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert SERVICES["nginx"]["ports"] == ["${ENERGYAPP_LISTEN:-127.0.0.1:8080}:8080"]
    assert all(service.get("network_mode") != "host" for service in SERVICES.values())
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"] == {"internal": True}


def test_secrets_come_from_the_environment_and_have_no_default():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if name in OPTIONAL_SECRETS:
                assert value == f"${{{name}:-}}"
            elif re.search("SECRET|PASSWORD|AUTH|_URL$", name):
                assert re.search(r"\$\{ENERGYAPP_\w+:\?set it in deploy/.env\}", value), name
    for name in re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()):
        assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE), f"{name} has a value in deploy/.env.example"


def test_every_variable_is_explained_in_the_example():
    sources = [ROOT / "docker-compose.yml", *(ROOT / "energyapp").rglob("*.py")]
    used = set().union(*(re.findall(r"ENERGYAPP_[A-Z_]*[A-Z]", path.read_text()) for path in sources))
    settings = (ROOT / "energyapp/settings.py").read_text()
    used |= {f"ENERGYAPP_{name}" for name in re.findall(r"\b(?:env(?:_flag|_list)?|required)\(\"([A-Z_]+)\"", settings)}

    assert len(used) > 15
    assert {name for name in used if not re.search(rf"\b{name}\b", EXAMPLE)} == set()


def test_volumes_that_are_mounted_are_declared_and_all_are_used():
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}

    assert {volume for volume in mounted if not volume.startswith(".")} == set(COMPOSE["volumes"])
    for path in (volume for volume in mounted if volume.startswith(".")):
        assert (ROOT / path).is_file(), path


def test_images_are_pinned_to_a_version_and_built_from_one_file():
    images = [service["image"] for service in SERVICES.values() if "build" not in service] + [
        image for image in instructions("FROM") if not image.startswith("base")
    ]
    for image in images:
        assert re.search(r":\d", image), f"{image} is not pinned"
    builds = [service["build"] for service in SERVICES.values() if "build" in service]
    assert {build["dockerfile"] for build in builds} == {"deploy/Dockerfile"}
    stages = set(re.findall(r"^FROM .+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert {build["target"] for build in builds} <= stages


def test_the_images_run_as_an_ordinary_user_with_checked_packages():
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[2:]:  # the first is only what the others share
        assert re.findall(r"^USER (.+)$", stage, re.MULTILINE) == ["10001:10001"]
        assert re.findall(r"^HEALTHCHECK .+ CMD (.)", stage, re.MULTILINE) == ["["]
        assert re.findall(r"^CMD (.)", stage, re.MULTILINE) == ["["]
        assert all("--require-hashes" in line for line in re.findall(r"pip install.*", stage))
    assert not re.search(r"\bsudo\b|^ADD |:latest|apt-get|--trusted-host|index-url", DOCKERFILE, re.MULTILINE)


def test_what_the_images_copy_exists_and_is_let_in():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in (line.split()[0] for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)):
        assert (ROOT / source).exists(), source
        assert source in allowed, source


def test_locks_hold_hashes_and_no_addresses():
    for name in ("web", "worker", "dev"):
        lock = (ROOT / f"requirements-{name}.lock").read_text()
        packages = re.findall(r"^[a-z0-9][\w.\[\],-]*==", lock, re.MULTILINE)

        assert len(packages) > 20
        assert lock.count("--hash=sha256:") >= len(packages)
        assert "://" not in lock
        assert not re.search(r"^-", lock, re.MULTILINE)


def test_the_locks_agree_on_every_version_and_the_web_lock_is_free_of_the_numeric_stack():
    def versions(name: str) -> dict[str, str]:
        lock = (ROOT / f"requirements-{name}.lock").read_text()
        return {
            f"{package} {marker}": version
            for package, version, marker in re.findall(r"^([\w.\[\],-]+)==([\w.+]+)(.*?)\s*\\$", lock, re.MULTILINE)
        }

    web, worker, dev = (
        {key.split()[0]: value for key, value in versions(name).items()} for name in ("web", "worker", "dev")
    )
    assert web.keys() <= worker.keys() <= dev.keys()
    assert {name for name in web if web[name] != worker[name]} == set()
    assert not web.keys() & {"tensorflow", "tensorflow-cpu", "keras", "xgboost", "librosa", "scikit-learn", "pandas"}


def test_nginx_hands_out_audio_only_after_the_application_said_so():
    media = re.search(r"location /_media/ \{(.+?)\}", NGINX, re.DOTALL)

    assert media is not None
    assert re.search(r"^\s*internal;", media[1], re.MULTILINE)
    assert "alias /srv/energyapp/media/;" in media[1]
    assert "media:/srv/energyapp/media:ro" in SERVICES["nginx"]["volumes"]
    assert "audio" not in re.search(r"gzip_types (.+);", NGINX)[1]
    assert "client_max_body_size" in NGINX


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_accepts_its_configuration(tmp_path):
    # The name of the web service exists inside compose only.
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.replace("server web:8000", "server 127.0.0.1:8000"))

    done = subprocess.run(["nginx", "-t", "-q", "-c", configuration], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def compose_is_installed() -> bool:
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    )


@pytest.mark.skipif(not compose_is_installed(), reason="docker's compose plugin is not installed")
def test_compose_accepts_the_file_and_refuses_to_go_without_secrets(tmp_path):
    names = re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE)
    filled = tmp_path / "filled"
    filled.write_text("".join(f"{name}=x\n" for name in names))
    command = ["docker", "compose", "-f", ROOT / "docker-compose.yml", "--env-file"]

    assert subprocess.run([*command, filled, "config", "--quiet"], capture_output=True).returncode == 0
    assert subprocess.run([*command, ROOT / "deploy/.env.example", "config", "--quiet"], capture_output=True).returncode
