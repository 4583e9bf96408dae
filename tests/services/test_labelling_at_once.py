"""Eight people label through the real web server at once, each through the doors that the page's modules use."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest
from django.utils.crypto import get_random_string

from annotations.models import Annotation, Lease, Track
from tests.conftest import logged_in
from tests.factories import AnnotatorFactory, RulesFactory, TrackFactory

pytestmark = pytest.mark.services

N_PEOPLE, N_TRACKS, OVERLAP = 8, 52, 2


class Browser:
    """One person's, as far as the doors are concerned."""

    def __init__(self, server, person):
        token = get_random_string(32)
        session = logged_in(person).cookies["sessionid"].value
        self.port, self.person = server.port, person
        self.headers = {
            "Content-Type": "application/json",
            "X-CSRFToken": token,
            "Cookie": f"sessionid={session}; csrftoken={token}",
        }

    def post(self, door, **sent):
        """The server's answer. Who comes at a bad moment is told to come again (503), and does."""
        while (answer := self._ask(door, sent))[0] == 503:
            continue
        return answer

    def _ask(self, door, sent):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", f"/label/{door}/", json.dumps(sent), self.headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def label_all_that_comes(self):
        """What was said to be saved, two of three sent twice at once: (track, submission)."""
        saved = []
        while (held := self.post("claim", held=[])[1]["held"]) and len(saved) < N_TRACKS:
            about = {"track_id": held[0], "submission_id": str(uuid4()), "level": 1 + len(saved) % 10, "listened_s": 0}
            send = partial(self.post, "outbox", annotator=self.person.pk, kind="label", **about)
            with ThreadPoolExecutor(2) as pool:
                replies = [reply.result() for reply in [pool.submit(send) for _ in range(2 if len(saved) % 3 else 1)]]
            assert {(status, said["state"]) for status, said in replies} == {(200, "saved")}
            saved.append((held[0], about["submission_id"]))
        return saved


@pytest.mark.postgres  # requests wait for one another's row locks, in threads that share a pool of connections
def test_eight_who_label_at_once_through_the_web_server_lose_nothing_and_store_nothing_twice(server):
    RulesFactory(labels_per_track=OVERLAP, min_listened_s=0, repeat_share=0)
    tracks = TrackFactory.create_batch(N_TRACKS)
    browsers = [Browser(server, person) for person in AnnotatorFactory.create_batch(N_PEOPLE)]

    with ThreadPoolExecutor(N_PEOPLE) as pool:
        saved = [each for of_person in pool.map(Browser.label_all_that_comes, browsers) for each in of_person]
    # Some stop while others still hold what they could have had next.
    saved += [each for browser in browsers for each in browser.label_all_that_comes()]

    stored = Annotation.objects.values_list("track", "submission_id")
    assert sorted(saved) == sorted((track, str(submission)) for track, submission in stored)
    assert len(saved) == OVERLAP * len(tracks)
    assert len(set(Annotation.objects.values_list("annotator", "track"))) == len(saved)
    assert set(Track.objects.values_list("n_annotators", flat=True)) == {OVERLAP}
    assert not Lease.objects.exists()
