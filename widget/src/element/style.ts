/** The switch's look, as one constructable stylesheet: allowed under a CSP without `unsafe-*`. */

const CSS = `
:host {
  --surface: var(--passerelle-surface, #fff);
  --ink: var(--passerelle-ink, #1c2a33);
  --quiet: var(--passerelle-quiet, #566670);
  --line: var(--passerelle-line, #dfe5e8);
  --rest: #75858e;
  --accent: var(--passerelle-accent, #0f7568);
  --on-accent: var(--passerelle-on-accent, #fff);
  --warm: #f4b63f;
  --alert: #a3471b;
  color-scheme: light dark;
  display: block;
  max-width: 34rem;
  color: var(--ink);
  font: 400 1rem/1.55 system-ui, sans-serif;
  text-align: start;
}
@media (prefers-color-scheme: dark) {
  :host {
    --surface: var(--passerelle-surface, #172127);
    --ink: var(--passerelle-ink, #e9eff1);
    --quiet: var(--passerelle-quiet, #a3b2ba);
    --line: var(--passerelle-line, #2c3a42);
    --rest: #84949d;
    --accent: var(--passerelle-accent, #5cc7b4);
    --on-accent: var(--passerelle-on-accent, #08231e);
    --alert: #f0a27a;
  }
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; margin: 0; }
.card {
  padding: 1.75rem;
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 1.25rem;
}
header { display: flex; align-items: center; gap: 1.5rem; }
header > div { flex: 1; min-width: 0; }
h2 { font-size: 1.1875rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; text-wrap: balance; }
h3 { width: fit-content; font-size: 1rem; line-height: 1.4; font-weight: 650; border-radius: .25rem; }
.lead { margin-block-start: 1rem; color: var(--quiet); }
.status { margin-block-start: .3rem; color: var(--quiet); }
.mark { width: fit-content; margin-block-start: .75rem; padding: .1rem .6rem; border: 1px dashed currentColor; border-radius: 1rem; color: var(--quiet); font-size: .8125rem; }
.detail { color: var(--quiet); font-size: .875rem; font-variant-numeric: tabular-nums; }
.totals { margin-block-start: 1.25rem; padding-block-start: 1rem; border-block-start: 1px solid var(--line); }
[data-phase=helping] .status { color: var(--accent); font-weight: 600; }
[data-phase=problem] .status, [data-phase=retrying] .status { color: var(--alert); }

/* A footbridge: the knob crosses an arc from one bank to the other. */
.switch {
  position: relative;
  flex: none;
  width: 5.5rem;
  height: 3rem;
  padding: 0;
  border: 0;
  border-radius: 1.5rem;
  background: none;
  color: var(--rest);
  cursor: pointer;
  -webkit-tap-highlight-color: transparent;
}
.switch svg { display: block; width: 100%; height: 100%; }
.track { fill: color-mix(in srgb, currentColor 14%, transparent); stroke: currentColor; stroke-width: 1.5; transition: fill .3s; }
.arc { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; opacity: .55; }
.knob {
  position: absolute;
  inset: 0 auto auto 0;
  width: 1.75rem;
  height: 1.75rem;
  border-radius: 50%;
  background: currentColor;
  offset-path: path("M 22 27 Q 44 9 66 27");
  offset-rotate: 0deg;
  offset-distance: 0%;
  transition: offset-distance .55s cubic-bezier(.5, .05, .2, 1), background .3s, box-shadow .3s;
}
.switch[aria-checked=true] { color: var(--accent); }
.switch[aria-checked=true] .knob { offset-distance: 100%; }
[data-phase=connecting] .knob { offset-distance: 50% !important; }
[data-phase=helping] .knob { background: var(--warm); animation: breathe 3s ease-in-out infinite; }
@keyframes breathe { 50% { box-shadow: 0 0 0 .4rem color-mix(in srgb, var(--warm) 28%, transparent); } }
:host(:dir(rtl)) .switch { transform: scaleX(-1); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }

.consent { margin-block-start: 1.5rem; padding-block-start: 1.5rem; border-block-start: 1px solid var(--line); }
dl { margin-block: .75rem 1rem; display: grid; gap: .625rem; font-size: .9375rem; line-height: 1.5; }
dt { display: inline; font-weight: 600; }
dd { display: inline; color: var(--quiet); }
label { display: flex; align-items: center; gap: .625rem; min-height: 2.75rem; font-size: .9375rem; cursor: pointer; }
input { width: 1.125rem; height: 1.125rem; accent-color: var(--accent); }
.choice { display: flex; flex-wrap: wrap; gap: .75rem; margin-block-start: .75rem; }
.choice button {
  min-height: 2.75rem;
  padding: .5rem 1.5rem;
  border: 1px solid var(--line);
  border-radius: 1.375rem;
  background: none;
  color: inherit;
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
.choice .agree { border-color: transparent; background: var(--accent); color: var(--on-accent); }
.choice button:hover { border-color: currentColor; }
@media (max-width: 26rem) { .card { padding: 1.25rem; } header { gap: 1rem; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
@media (forced-colors: active) {
  .switch { color: ButtonText; forced-color-adjust: none; }
  .switch[aria-checked=true] { color: Highlight; }
}
`;

let sheet: CSSStyleSheet | undefined;

/** The one stylesheet that all switches of a page share. */
export function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
