"""A model reads the answer and says what it is: the judge behind ``--grader MODEL``.

The grader is bound to Inspect's role ``grader`` and never is the model under test (``grader.py``). What
it reads is hostile text: it stands inside a fence with a random name (``fence.py``), and only a verdict
that is the grader's own counts (``parse.py``). A grader that fails, refuses or says nothing usable gives
``unscored``, never a verdict. Classes: ``rubrics.py``. See ``docs/graded-judges.md``.

    demur judge answers.csv --grader openai/gpt-4o
"""

from demur.judges.graded.cost import Account, Cost, Priced
from demur.judges.graded.fence import SHOWN, Fence
from demur.judges.graded.grader import ROLE, ask, bound_graders, check_independent
from demur.judges.graded.judge import GradedJudge
from demur.judges.graded.parse import parse_verdict
from demur.judges.graded.rubrics import FOUR_WAY, RUBRICS, THREE_WAY, Rubric, rubric_named

__all__ = [
    "FOUR_WAY",
    "ROLE",
    "RUBRICS",
    "SHOWN",
    "THREE_WAY",
    "Account",
    "Cost",
    "Fence",
    "GradedJudge",
    "Priced",
    "Rubric",
    "ask",
    "bound_graders",
    "check_independent",
    "parse_verdict",
    "rubric_named",
]
