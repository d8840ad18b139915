"""What is wrong with what was typed, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from quart import Quart, g

from distd.domain.errors import BadInput, Conflict, Corrupt, NoSpace, Unavailable
from distd.domain.rollout_acts import REFUSALS
from distd.domain.rollout_state import Phase, RolloutAct
from distd.web.console.faults import fault_text
from distd.web.console.frame import Frame
from distd.web.console.language import NO_BREAK, load

if TYPE_CHECKING:
    from distd.domain.errors import DistdError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (BadInput("name", "1 to 255 printable characters", " "), "Donnez-lui un nom."),
        (BadInput("priority", "0 to 10", 11), "Attendu : 0 à 10. Reçu : 11."),
        (
            BadInput(
                "target",
                "a path without spaces and shell characters",
                "/a b",
                "the stock Unix agent gives it to a shell",
            ),
            "Attendu : un chemin sans espaces ni caractères du shell. Reçu : /a b. L'agent Unix le passe à un shell.",
        ),
        (BadInput("days", "1 to 3650", "x"), "Attendu : 1 à 3650. Reçu : x."),
        (BadInput("name", "at most 9 characters in all", "x"), "Attendu : au plus 9 caractères en tout. Reçu : x."),
        (Conflict("name", "there is a group {0} already"), "il y a déjà un groupe {0}"),
        (
            Conflict("rollout", REFUSALS[RolloutAct.START, Phase.RUNNING]),
            "il est en cours, il ne peut donc pas être démarré",
        ),
        (
            Conflict("package", "17 is needed by the roll-out Putty", "stop the roll-out first"),
            "le déploiement par vagues Putty a besoin de 17; arrêtez d'abord le déploiement par vagues",
        ),
        (Unavailable("catalogue", "what nobody has translated"), "catalogue: what nobody has translated"),
        (BadInput("x", "what nobody has translated", ""), "Attendu : what nobody has translated."),
        (Conflict("package", "17 is active", "wait"), "17 is active; wait"),
        (NoSpace("disk", "full"), "Le disque du serveur n'a plus de place : disk: full"),
        (Corrupt("info", "a readable info", "b"), "info: Attendu : un fichier info lisible. Reçu : b."),
        (
            Unavailable("catalogue", "1024 already wait for it"),
            "catalogue: 1024 l'attendent déjà",
        ),
        (
            BadInput("packages", "at most 2000 at once", 3000, "put them into a group, and set the group's"),
            "Attendu : au plus 2000 à la fois. Reçu : 3000. Mettez-les dans un groupe, et réglez ceux du groupe.",
        ),
    ],
)
async def test_a_sentence_for_an_operator(error: DistdError, text: str) -> None:
    app = Quart("test")
    async with app.app_context():
        g.frame = Frame(load("fr"), "auto", 0.0)
        assert fault_text(error).replace(NO_BREAK, " ") == text
