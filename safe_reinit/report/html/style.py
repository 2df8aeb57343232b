"""The style of the page: light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

from .markup import Markup

LIGHT = {
    "page": "#ffffff", "text": "#1b2127", "quiet": "#56616c", "line": "#d4dae0", "box": "#f4f6f8", "link": "#0b57a4",
    "good": "#17692e", "good-back": "#e3f3e6", "care": "#7a4b00", "care-back": "#fdf0d5",
    "bad": "#a3170f", "bad-back": "#fde5e2",
    "wait-snapshot": "#6f7a85", "stop": "#b35900", "snapshot": "#0072a3", "reinit": "#7d3cb5", "start": "#19703a",
    "in-bar": "#ffffff",
}  # fmt: skip
DARK = {
    "page": "#14181c", "text": "#e7ebee", "quiet": "#a5b0ba", "line": "#3a444d", "box": "#1e242a", "link": "#84bdf5",
    "good": "#8fdca3", "good-back": "#173621", "care": "#f5c872", "care-back": "#3d2e0c",
    "bad": "#ffa79f", "bad-back": "#4a1a16",
    "wait-snapshot": "#9aa5af", "stop": "#f0a04b", "snapshot": "#5fbdec", "reinit": "#c79cf2", "start": "#74cf91",
    "in-bar": "#14181c",
}  # fmt: skip


def _palette(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_GENERAL = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:72rem;padding:1.25rem;background:var(--page);color:var(--text);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;
 overflow-wrap:anywhere}
h1{margin:.25rem 0 .75rem;font-size:2rem;line-height:1.2}
h2{margin:2.25rem 0 .75rem;padding-bottom:.3rem;border-bottom:1px solid var(--line);font-size:1.25rem}
h3{margin:1.25rem 0 .5rem;font-size:1.05rem}
p{margin:.4rem 0}
a{color:var(--link)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
pre{margin:.5rem 0;padding:.6rem .8rem;background:var(--box);border:1px solid var(--line);border-radius:.4rem;
 white-space:pre-wrap}
small{font-size:.85em;color:var(--quiet);font-weight:normal}
.kind{color:var(--quiet)}
.badge{display:inline-block;padding:.05em .55em;border:1px solid;border-radius:.4em;font-size:.9em;font-weight:600;
 white-space:nowrap}
td .badge{white-space:normal}
h1 .badge{font-size:1em;padding:.1em .6em}
h1 .target{display:block;margin-top:.6rem;font-size:.65em}
.good{color:var(--good)}.care{color:var(--care)}.bad{color:var(--bad)}
.badge.good{background:var(--good-back)}.badge.care{background:var(--care-back)}.badge.bad{background:var(--bad-back)}
.badge.plain{background:var(--box);border-color:var(--quiet)}
.badge.good::before{content:"\\2713\\20"}.badge.care::before{content:"!\\20"}.badge.bad::before{content:"\\2715\\20"}
.failure{margin:.75rem 0;padding:.5rem .9rem;background:var(--bad-back);border-left:.3rem solid var(--bad)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:.6rem 1.5rem;margin:.6rem 0}
dt{color:var(--quiet);font-size:.85em}
.failure dl{grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr))}
.failure dt{color:inherit}
.failure ul{margin:.4rem 0;padding-left:1.2rem}
dd{margin:0}
table{width:100%;border-collapse:collapse;margin:.5rem 0 1rem;font-size:.93em}
caption{padding:.25rem 0;text-align:left;color:var(--quiet)}
th,td{padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{color:var(--quiet);font-weight:600;font-size:.9em}
tbody th{font-weight:normal}
.counts{width:auto}
.counts th,.counts td{padding-right:1.5rem}
.counts td{text-align:right;font-variant-numeric:tabular-nums}
.overview td div{margin-bottom:.2rem}
article,details{break-inside:auto}
article{margin:.6rem 0;border:1px solid var(--line);border-radius:.5rem;padding:.2rem .9rem}
article:target{border-color:var(--link);box-shadow:0 0 0 1px var(--link)}
article:target>details::details-content{content-visibility:visible;block-size:auto}
.alike ul,.subjects{columns:16rem;column-gap:1.5rem;margin:.3rem 0 .8rem;padding:0;list-style:none;font-size:.93em}
.alike li{break-inside:avoid;margin-bottom:.15rem}
summary{padding:.4rem 0;cursor:pointer}
summary h3{display:inline;margin:0}
em{color:var(--care);font-style:normal;font-weight:600}
footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--quiet)}
"""
_TABLES = """
.overview,.disks,.findings,.calls{table-layout:fixed}
.overview th:nth-child(1){width:24%}.overview th:nth-child(2){width:18%}.overview th:nth-child(3){width:20%}
.disks th:nth-child(1),.disks th:nth-child(3),.disks th:nth-child(5){width:23%}.disks th:nth-child(2){width:17%}
.phases{width:auto}
.phases th,.phases td{padding-right:1.5rem}
.findings th:nth-child(1){width:21%}.findings th:nth-child(4){width:23%}
.calls th:nth-child(1){width:16%}.calls th:nth-child(2){width:18%}.calls th:nth-child(4){width:20%}
.calls th:nth-child(5){width:29%}
"""
_TIMELINE = """
.patterns{position:absolute;width:0;height:0}
.timeline{table-layout:fixed;border-collapse:collapse}
.timeline th:first-child{width:26%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.timeline th,.timeline td{padding:0;border:0;vertical-align:middle}
.timeline tbody th{padding-right:.6rem}
.timeline tbody td{background:repeating-linear-gradient(90deg,var(--line) var(--first),
 var(--line) calc(var(--first) + 1px),transparent calc(var(--first) + 1px),
 transparent calc(var(--first) + var(--step)))}
.timeline svg{display:block;width:100%;height:1.25rem}
.roomy td{padding:.2rem 0}
.dense{font-size:.8em}
.dense tbody svg{height:.8rem}
.dense tbody th{line-height:1.15}
.timeline text{font-size:11px;fill:var(--text)}
.timeline thead text{fill:var(--quiet);font-size:12px;font-weight:normal}
.timeline g text{fill:var(--in-bar)}
.start{text-anchor:start}.middle{text-anchor:middle}.end{text-anchor:end}
.timeline rect,.legend rect{height:100%}
pattern rect{fill:var(--page)}
rect.wait-snapshot{fill:var(--wait-snapshot)}rect.stop{fill:var(--stop)}rect.snapshot{fill:var(--snapshot)}
rect.reinit{fill:var(--reinit)}rect.start{fill:var(--start)}rect.plain{fill:var(--text)}
rect.refused{fill:url(#refused)}rect.timeout{fill:url(#timeout)}rect.unknown{fill:url(#unknown)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0;padding:0;list-style:none;font-size:.9em}
.legend svg{width:1.6rem;height:.8rem;margin-right:.4rem;vertical-align:-.05rem}
"""
_NARROW = """
body{padding:.8rem}
h1{font-size:1.6rem}
.stacked thead{display:none}
.stacked,.stacked tbody,.stacked tr,.stacked tbody th,.stacked td{display:block;width:auto}
.stacked tr{padding:.4rem 0;border-bottom:1px solid var(--line)}
.stacked tbody th,.stacked td{padding:.1rem 0;border:0}
.stacked tbody th{font-weight:600}
.stacked.counts{width:100%}
.stacked.counts td,.stacked.phases td{display:inline-block;padding-right:1rem}
.stacked td:empty{display:none}
.stacked td::before{color:var(--quiet);font-size:.85em}
.timeline th:first-child{width:34%}
.timeline g text,.timeline .n1{display:none}
"""
_PAPER = """
@page{margin:14mm 12mm}
body{max-width:none;padding:0;font-size:9.5pt}
h1,h2,h3,summary{break-after:avoid}
h2{margin:1rem 0 .4rem}
h3{margin:.5rem 0 .2rem}
p{margin:.2rem 0}
summary{padding:.15rem 0}
footer{margin-top:1rem}
thead{display:table-header-group}
tr,dl div,.failure,pre,.counts{break-inside:avoid}
th,td{padding:.2rem .5rem .2rem 0}
.calls{font-size:8pt}
a{color:inherit;text-decoration:none}
.badge,.failure,.timeline td{-webkit-print-color-adjust:exact;print-color-adjust:exact}
article{padding:.1rem .6rem}
dl{grid-template-columns:repeat(3,1fr);gap:.3rem 1rem;margin:.3rem 0}
h1{font-size:1.5rem}
.failure{margin:.3rem 0;padding:.2rem .7rem}
.failure dl div{display:flex;gap:.5rem}
.alike ul{columns:3;font-size:8pt;line-height:1.25}
.alike .reasons{columns:2;font-size:7pt;line-height:1.2}
.subjects{columns:auto;font-size:8pt;line-height:1.4}
.subjects li{display:inline}
.subjects li:not(:last-child)::after{content:", "}
.dense tbody svg{height:.5rem}
.dense tbody th{font-size:7pt;line-height:1}
.summed #instances{display:none}
.printed::details-content{content-visibility:visible;block-size:auto}
details:not([open]):not(.printed)>summary::after{content:" (folded, not printed)"}
"""
_LABELS = {
    "counts": ("Instances", "Disks", "Changed", "Intact", "Unknown"),
    "overview": ("Outcome", "Power", "Disks"),
    "disks": ("Data", "Now", "Accepted risks", "Safety snapshot"),
    "phases": ("From", "To", "Took", "Result"),
    "findings": ("Found", "What to do", "Facts"),
    "calls": ("Call", "Subject", "Answer", "RequestId"),
}
"""What precedes a cell if the table is too narrow for columns."""


def _labels() -> str:
    return "".join(
        f'.{kind} td:nth-child({place})::before{{content:"{label}: "}}'
        for kind, labels in _LABELS.items()
        for place, label in enumerate(labels, 2)
    )


STYLE = Markup(
    f":root{{{_palette(LIGHT)}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{_palette(DARK)}}}}}\n"
    f"{_GENERAL}@media print,(min-width:56.01rem){{{_TABLES}}}{_TIMELINE}"
    f"@media screen and (max-width:56rem){{{_NARROW}{_labels()}}}\n@media print{{{_PAPER}}}\n"
)
MARK = Markup("""
body::before{content:"SIMULATED";position:fixed;inset:0;z-index:-1;display:grid;place-items:center;
 font-size:min(16vw,11rem);font-weight:700;color:var(--bad);opacity:.1;transform:rotate(-30deg);pointer-events:none;
 overflow-wrap:normal;-webkit-print-color-adjust:exact;print-color-adjust:exact}
""")
"""The word across the window and on each sheet of paper, behind the text, for a run that is not real."""
