"""The style sheet of the lecture page, for light and dark mode, screens, phones and print."""

STYLE = """
:root {
  --paper: #fcfbf8; --card: #ffffff; --ink: #22252b; --soft: #646a75; --rule: #e2dfd8; --heat: #1d5fa8;
  --rnn: #c8371f; --gru: #157a49; --lstm: #1d5fa8; --peephole: #8a3ea8; --coupled: #995e00; --both: #7b5b3a;
  --full: #b02a78; --mogrifier: #00758a; --slstm: #4b4fc8; --min-gru: #5b7500; --min-lstm: #7d1741;
  --step0: #2f66bb; --step1: #26796a; --step2: #85650f; --step3: #b5501b; --step4: #c02c4a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171c; --card: #1c1f26; --ink: #e6e4df; --soft: #9aa1ad; --rule: #31353f; --heat: #79b4f2;
    --rnn: #ff7d66; --gru: #55cf93; --lstm: #74b2f5; --peephole: #d08bec; --coupled: #f0b44c;
    --both: #cda47c; --full: #f58ac0; --mogrifier: #4fc8d8; --slstm: #a3a8ff; --min-gru: #b7d36a;
    --min-lstm: #ff9fb2; --step0: #7fa8ec; --step1: #63bda8; --step2: #d3ab45; --step3: #f08a55; --step4: #f0728c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 1.2rem 1.1rem 4rem; }
h1, h2 { font-family: Georgia, "Iowan Old Style", "Palatino Linotype", serif; font-weight: 600;
  line-height: 1.15; text-wrap: balance; }
h1 { font-size: clamp(2rem, 6vw, 3.1rem); margin: 1.2rem 0 .6rem; letter-spacing: -.01em; }
h2 { font-size: clamp(1.5rem, 4vw, 2rem); margin: 0 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
p { max-width: 42rem; margin: .6rem 0; }
.lead { font-size: 1.15rem; color: var(--soft); }
.note, figcaption { color: var(--soft); font-size: .88rem; line-height: 1.45; }
nav { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 1.1rem 0; }
nav a { color: inherit; text-decoration: none; border: 1px solid var(--rule); border-radius: 99px;
  padding: .25rem .8rem; font-size: .88rem; }
nav a:hover { border-color: var(--soft); }
section { border-top: 1px solid var(--rule); padding-top: 1.8rem; margin-top: 2.2rem; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 1rem; margin: 1rem 0; }
figure, .card { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: .8rem .9rem; min-width: 0; }
figcaption { margin-top: .4rem; }
.stack > figure { margin-bottom: 1rem; }
svg.plot { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-family: inherit; fill: var(--ink); }
svg .tick { font-size: 12px; fill: var(--soft); }
svg .axis { font-size: 12.5px; fill: var(--soft); }
svg .label { font-size: 12.5px; fill: var(--line); font-weight: 600; }
svg line.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke: var(--line); stroke-width: 2.2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 6 4; }
.band { fill: var(--line); opacity: .11; }
.leader { stroke: var(--line); fill: none; stroke-width: 1; opacity: .6; }
.simple_rnn { --line: var(--rnn); } .gru, .gru_reset_before { --line: var(--gru); }
  .lstm { --line: var(--lstm); }
.peephole_lstm { --line: var(--peephole); } .coupled_lstm { --line: var(--coupled); }
.peephole_coupled_lstm { --line: var(--both); } .plain { --line: var(--soft); }
.full_peephole_lstm { --line: var(--full); } .mogrifier_lstm { --line: var(--mogrifier); }
.slstm { --line: var(--slstm); } .min_gru { --line: var(--min-gru); } .min_lstm { --line: var(--min-lstm); }
.step0 { --line: var(--step0); } .step1 { --line: var(--step1); } .step2 { --line: var(--step2); }
  .step3 { --line: var(--step3); } .step4 { --line: var(--step4); }
.scroll { overflow-x: auto; overscroll-behavior-x: contain; padding-bottom: .3rem; }
.scroll:focus-visible { outline: 2px solid var(--heat); outline-offset: 2px; }
svg.heat { display: block; --line: var(--heat); max-width: none; }
.heat .ground { fill: var(--paper); } .heat .shade { fill: var(--line); shape-rendering: crispEdges; }
.heat .token { font: 12.5px ui-monospace, Menlo, Consolas, monospace; } .heat .space { fill: var(--soft); }
.gate { font-size: .88rem; margin: .55rem 0 .2rem; } .gate b { font-weight: 600; }
.key { display: inline-block; width: 130px; height: 11px; border: 1px solid var(--rule);
  vertical-align: -1px; background: linear-gradient(90deg, var(--paper), var(--heat)); }
.eq { font: italic 1.03rem/1.7 "STIX Two Text", Cambria, "Times New Roman", serif;
  padding-left: 1.6em; text-indent: -1.6em; }
.eq .fn { font-style: normal; } .eq sub { font-size: .72em; line-height: 0; }
.cell { border-left: 4px solid var(--line); }
.cell .fact { font-size: .88rem; color: var(--soft); margin: .35rem 0 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .28rem .7rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; color: var(--soft); }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .45em;
  background: var(--line); }
.sentence { font: 1.18rem/1.45 Georgia, "Iowan Old Style", serif; margin: 0 0 .5rem; }
.sentence .gap { display: inline-block; min-width: 3.2em; border-bottom: 2px solid var(--heat); }
.sentence .unknown { text-decoration: underline wavy var(--rnn) 1.5px; text-underline-offset: 3px; }
.columns { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .3rem 1.2rem; }
.columns.one { grid-template-columns: minmax(0, 26rem); }
.columns h3 { color: var(--soft); font-weight: 600; font-size: .85rem; }
.bar { display: grid; grid-template-columns: minmax(0, 1fr) 3.4em; gap: .4rem; font-size: .92rem;
  position: relative; padding: .08rem .35rem; margin: .12rem 0; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--heat); opacity: .17; border-radius: 3px; }
.bar span { overflow: hidden; text-overflow: ellipsis; } .bar span:last-child { text-align: right;
  color: var(--soft); font-size: .82rem; font-variant-numeric: tabular-nums; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
li { margin: .3rem 0; max-width: 46rem; } ol, ul { padding-left: 1.3rem; font-size: .94rem; }
@media (max-width: 560px) {
  body { font-size: 16px; } main { padding: .6rem .8rem 3rem; } .columns { grid-template-columns: 1fr; }
  figure, .card { padding: .6rem; }
  svg .tick, svg .axis, svg .label { font-size: 13.5px; }
}
@media print { section { break-inside: avoid-page; } nav { display: none; } }
"""
