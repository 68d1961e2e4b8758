"""VERIFY: answers to units, units to evidence, evidence to labels; one file a step.

FactBench, Bayat, Zhang, Munir and Wang, ACL 2025, arXiv 2410.22257. Steps by graders or offline
(``steps.py``, ``offline_steps.py``), evidence behind a protocol (``backend.py``), an answer: ``verify.py``.

    demur verify answers.jsonl --evidence FOLDER
"""
