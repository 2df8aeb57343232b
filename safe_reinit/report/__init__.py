"""What a plan and a run look like to people and programs.

| file | what is in it |
|---|---|
| ``build`` | makes the report of a run: one value |
| ``plan_text``, ``plan_targets``, ``report_text`` | a plan and a report as lines of text |
| ``text`` | the words that all forms share |
| ``content``, ``render``, ``html/`` | the parts of a document; as JSON and Markdown; as HTML |
| ``many`` | how many machines are counted, named and grouped |
| ``together`` | the reports of several regions as one |
"""

from .build import Started, of_bug, of_error, of_plan, of_run, of_unsettled, refusal, started, with_last_runs
from .plan_text import loss, plan_lines
from .render import dump_document, one_line, to_json, to_markdown, to_text
from .report_text import ending_lines, lost_lines, machine_lines, next_lines, report_lines
from .text import SIMULATED, WELL, Line, data_text, last_run_text, lost_text
from .together import of_regions

__all__ = [
    "SIMULATED", "WELL", "Line", "Started", "data_text", "dump_document", "ending_lines", "last_run_text", "loss",
    "lost_lines", "lost_text", "machine_lines", "next_lines", "of_bug", "of_error", "of_plan", "of_regions", "of_run",
    "of_unsettled", "one_line", "plan_lines", "refusal", "report_lines", "started", "to_json", "to_markdown", "to_text",
    "with_last_runs",
]  # fmt: skip
