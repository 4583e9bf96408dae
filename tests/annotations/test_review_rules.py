"""Review rules: leads say from where on a label is flagged, and everybody sees who changed what."""

import pytest

from annotations.models import ReviewRules
from annotations.review.rules import ChangedMeanwhile, set_rules

pytestmark = pytest.mark.django_db

RULES = {"share": 2, "count": "", "too_fast_s": 4, "gold_missed_by": 3}


def test_a_lead_changes_the_rules_and_the_history_says_what(as_lead):
    response = as_lead.post("/review/rules/", {**RULES, "count": 100}, follow=True)

    html = response.content.decode()
    rules = ReviewRules.objects.current()
    assert (rules.share, rules.count, rules.too_fast_s, rules.gold_missed_by) == (2, 100, 4, 3)
    assert "Saved." in html
    assert "<b>lea</b> · Labels that the model may doubt, %: 5 → 2; Or a number of labels: none → 100" in html


def test_the_same_rules_again_change_nothing(as_lead):
    as_lead.post("/review/rules/", RULES)
    seen = ReviewRules.objects.get().pk

    response = as_lead.post("/review/rules/", {**RULES, "seen": seen}, follow=True)

    assert "Nothing was changed" in response.content.decode()
    assert ReviewRules.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"share": 0}, "greater than or equal to 0.1"),
        ({"share": 101}, "less than or equal to 100"),
        ({"share": "nan"}, "Enter a number"),
        ({"share": ""}, "required"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"count": 10**30}, "less than or equal to"),
        ({"too_fast_s": -1}, "greater than or equal to 0"),
        ({"gold_missed_by": 10}, "less than or equal to 9"),
        ({"seen": "x"}, "Nothing was saved"),
    ],
)
def test_rules_that_make_no_sense_are_refused_and_said(as_lead, wrong, words):
    response = as_lead.post("/review/rules/", {**RULES, **wrong})

    assert response.status_code == 422
    assert words in response.content.decode()
    assert not ReviewRules.objects.exists()


def test_of_two_leads_the_second_is_told_and_can_save_on(as_lead, lead, admin):
    newest = set_rules(changed_by=admin, seen=None, share=3.0, count=None, too_fast_s=4.0, gold_missed_by=3)

    response = as_lead.post("/review/rules/", RULES)

    html = response.content.decode()
    assert response.status_code == 409
    assert "adam has changed the rules meanwhile" in html
    assert f'name="seen" value="{newest.pk}"' in html
    with pytest.raises(ChangedMeanwhile):
        set_rules(changed_by=lead, seen=None, share=1.0)
    assert ReviewRules.objects.get() == newest


def test_the_history_is_the_same_number_of_queries_however_long(as_lead, lead, django_assert_max_num_queries):
    seen = None
    for share in range(1, 25):
        seen = set_rules(changed_by=lead, seen=seen, share=share, count=None, too_fast_s=4.0, gold_missed_by=3).pk

    with django_assert_max_num_queries(12):
        html = as_lead.get("/review/rules/").content.decode()

    assert html.count("<b>lea</b> · ") == 20
    assert "Next page" in html
