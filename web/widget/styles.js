/** The widget's stylesheet. A site changes the colours by setting the `--helios-*` properties on the element. */

const COLOURS = `
  :host {
    --accent: var(--helios-accent, #0c5546);
    --on-accent: var(--helios-on-accent, #ffffff);
    --surface: var(--helios-surface, #ffffff);
    --canvas: var(--helios-canvas, #f6f4ee);
    --ink: var(--helios-ink, #15231e);
    --muted: var(--helios-muted, #53625c);
    --line: var(--helios-line, #ddd9cd);
    --tint: var(--helios-tint, #e2eee8);
    --link: var(--helios-link, #0c5546);
    --warm: var(--helios-warm, #8a5a12);
    --warm-tint: var(--helios-warm-tint, #fbf1dc);
    --bad: var(--helios-bad, #a3271c);
    --bad-tint: var(--helios-bad-tint, #fbe9e6);
    --shadow: 0 1px 2px rgb(16 30 25 / 8%), 0 18px 50px -12px rgb(16 30 25 / 32%);
    color-scheme: light dark;
  }
  @media (prefers-color-scheme: dark) {
    :host {
      --accent: var(--helios-accent, #1a7561);
      --surface: var(--helios-surface, #1b2421);
      --canvas: var(--helios-canvas, #131a18);
      --ink: var(--helios-ink, #e8eeeb);
      --muted: var(--helios-muted, #a2b1aa);
      --line: var(--helios-line, #2f3b37);
      --tint: var(--helios-tint, #223630);
      --link: var(--helios-link, #83d6bf);
      --warm: var(--helios-warm, #e9bd70);
      --warm-tint: var(--helios-warm-tint, #33291a);
      --bad: var(--helios-bad, #ff9e92);
      --bad-tint: var(--helios-bad-tint, #3a211f);
      --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 18px 50px -12px rgb(0 0 0 / 70%);
    }
  }
`;

const BASE = `
  :host { position: fixed; inset-block-end: 0; inset-inline-end: 0; z-index: 1000; pointer-events: none; }
  .root { font: 400 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: var(--ink); }
  *, ::before, ::after { box-sizing: border-box; }
  [hidden] { display: none !important; }
  p, h2, ul, ol, blockquote { margin: 0; padding: 0; }
  ul { list-style: none; }
  button, textarea { font: inherit; color: inherit; }
  button { cursor: pointer; border: 0; background: none; padding: 0; }
  button:disabled { cursor: default; }
  :focus { outline: none; }
  :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
  .icon { inline-size: 20px; block-size: 20px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.7; }
  .icon { stroke-linecap: round; stroke-linejoin: round; }
  .unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .text-button { color: var(--link); font-weight: 550; font-size: 13px; border-radius: 6px; padding: 4px 6px; }
  .text-button:hover { background: var(--tint); }
  .text-button:disabled { color: var(--muted); }
  .icon-button { display: grid; place-items: center; inline-size: 36px; block-size: 36px; border-radius: 50%; color: var(--muted); }
  .icon-button:hover { background: var(--tint); color: var(--ink); }
  .icon-button.small { inline-size: 28px; block-size: 28px; }
  .icon-button.small .icon { inline-size: 16px; block-size: 16px; }
  .button { background: var(--accent); color: var(--on-accent); font-weight: 600; border-radius: 999px; padding: 9px 18px; }
  .button.quiet { background: none; color: var(--ink); box-shadow: inset 0 0 0 1px var(--line); }
`;

const FRAME = `
  .launcher {
    display: flex; align-items: center; gap: 10px; margin: 24px; pointer-events: auto;
    padding-block: 14px; padding-inline: 18px 22px; border-radius: 999px; background: var(--accent); color: var(--on-accent);
    font-weight: 600; white-space: nowrap; box-shadow: var(--shadow);
  }
  .launcher:hover { filter: brightness(1.08); }
  .launcher .icon { inline-size: 22px; block-size: 22px; }
  .badge { background: var(--surface); color: var(--ink); font-size: 12px; padding: 1px 9px; border-radius: 999px; }
  .panel {
    position: relative; display: flex; flex-direction: column; margin: 24px; pointer-events: auto;
    inline-size: min(408px, 100vw - 32px); block-size: min(680px, 100dvh - 48px); overflow: hidden;
    background: var(--canvas); border: 1px solid var(--line); border-radius: 20px; box-shadow: var(--shadow);
  }
  .top { display: flex; align-items: center; gap: 10px; padding: 12px; padding-inline-start: 16px; }
  .top { background: var(--surface); border-block-end: 1px solid var(--line); }
  .face { display: grid; place-items: center; inline-size: 38px; block-size: 38px; flex: none; border-radius: 50%; }
  .face { background: var(--accent); color: var(--on-accent); font-weight: 600; font-size: 14px; letter-spacing: 0.02em; }
  .face[data-person] { background: var(--warm-tint); color: var(--warm); }
  .names { flex: 1; min-inline-size: 0; display: flex; flex-direction: column; align-items: flex-start; }
  .names h2 { font-size: 15px; line-height: 1.25; font-weight: 650; }
  .names h2, .who { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-inline-size: 100%; }
  .who { display: block; font-size: 12.5px; line-height: 1.35; color: var(--muted); }
  .top .text-button { color: var(--muted); white-space: nowrap; }
  .banner { display: flex; gap: 12px; align-items: center; padding: 10px 16px; color: var(--warm); background: var(--warm-tint); }
  .banner div { display: flex; flex-wrap: wrap; column-gap: 10px; font-size: 13.5px; line-height: 1.4; color: var(--ink); }
  .banner strong { font-weight: 650; }
  .connection { padding: 5px 16px; font-size: 12.5px; text-align: center; color: var(--warm); background: var(--warm-tint); }
  .problem:not(:empty) { display: flex; align-items: center; gap: 10px; padding-block: 8px; font-size: 13.5px; }
  .problem:not(:empty) { padding-inline: 16px 10px; color: var(--bad); background: var(--bad-tint); }
  .problem span { flex: 1; color: var(--ink); }
  .foot-area { background: var(--surface); border-block-start: 1px solid var(--line); }
  .choice { padding: 16px; text-align: center; }
  .choice p { margin-block-end: 12px; }
  .choice div { display: flex; flex-wrap: wrap; gap: 8px; justify-content: center; }
`;

const LOG = `
  .log-frame { position: relative; flex: 1; min-block-size: 0; }
  .log { display: flex; flex-direction: column; gap: 14px; block-size: 100%; overflow-y: auto; overscroll-behavior: contain; }
  .log { padding: 16px; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
  .log:focus-visible { outline-offset: -3px; border-radius: 4px; }
  .jump {
    position: absolute; inset-block-end: 10px; inset-inline-end: 12px; display: grid; place-items: center;
    inline-size: 36px; block-size: 36px; border-radius: 50%; background: var(--surface); border: 1px solid var(--line);
    color: var(--link); box-shadow: 0 4px 14px rgb(16 30 25 / 18%);
  }
  .message { max-inline-size: 88%; align-self: flex-start; position: relative; }
  .text { padding: 10px 14px; border: 1px solid var(--line); border-radius: 16px; background: var(--surface); }
  .text { overflow-wrap: anywhere; border-end-start-radius: 5px; }
  .text > * + * { margin-block-start: 9px; }
  .text ul { list-style: disc; padding-inline-start: 20px; }
  .text ol { padding-inline-start: 22px; }
  .text li + li { margin-block-start: 3px; }
  .text li::marker { color: var(--muted); }
  .text h3 { margin: 0; font-size: 15px; font-weight: 650; line-height: 1.35; }
  .text code { padding: 1px 4px; border-radius: 4px; background: var(--tint); font: 0.92em ui-monospace, Menlo, Consolas, monospace; }
  .table { overflow-x: auto; overflow-wrap: normal; scrollbar-width: thin; }
  .table table { border-collapse: collapse; font-size: 13px; line-height: 1.4; }
  .table :is(th, td) { padding: 5px 8px; border-block-end: 1px solid var(--line); text-align: start; vertical-align: top; }
  .table :is(th, td) { min-inline-size: 64px; }
  .table th { font-weight: 650; background: var(--tint); }
  .table [data-side="end"] { text-align: end; }
  .table [data-side="center"] { text-align: center; }
  .customer .text p { white-space: pre-wrap; }
  .message.customer { align-self: flex-end; max-inline-size: 82%; }
  .customer .text { background: var(--accent); color: var(--on-accent); border-color: transparent; }
  .customer .text { border-end-start-radius: 16px; border-end-end-radius: 5px; inline-size: fit-content; }
  .customer .text { margin-inline-start: auto; }
  .message.customer:not([data-state="sent"]) .text { opacity: 0.78; }
  .author { display: block; padding: 0 4px 3px; font-size: 12.5px; font-weight: 600; color: var(--warm); }
  .message.system { display: flex; gap: 10px; max-inline-size: 100%; align-self: stretch; color: var(--muted); }
  .system .icon { margin-block-start: 1px; inline-size: 18px; block-size: 18px; }
  .system .text { padding: 0; border: 0; background: none; font-size: 13px; line-height: 1.45; }
  .event { display: flex; align-items: center; justify-content: center; gap: 8px; font-size: 13px; color: var(--muted); }
  .event .icon { inline-size: 16px; block-size: 16px; }
  .foot { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; min-block-size: 24px; padding: 3px 4px 0; }
  .foot { font-size: 12px; color: var(--muted); }
  .foot .icon { inline-size: 14px; block-size: 14px; }
  .foot:empty { display: none; }
  .customer .foot { flex-wrap: nowrap; justify-content: flex-end; text-align: end; }
  .foot button { flex: none; }
  .customer[data-state="failed"] .foot { color: var(--bad); }
  .thumbs { display: flex; gap: 2px; }
  .thumb { display: grid; place-items: center; inline-size: 28px; block-size: 26px; border-radius: 8px; color: var(--muted); }
  .thumb:hover { background: var(--tint); color: var(--ink); }
  .thumb .icon { inline-size: 16px; block-size: 16px; }
  .thumb[aria-pressed="true"] { color: var(--link); background: var(--tint); }
  .thumb[aria-pressed="true"] .icon { fill: currentColor; fill-opacity: 0.28; }
  .turned { transform: rotate(180deg); }
`;

const SOURCES = `
  .marker {
    position: relative; display: inline-block; min-inline-size: 17px; block-size: 17px; padding: 0 4px; margin-inline: 1px;
    border-radius: 6px; vertical-align: 1px; text-align: center; background: var(--tint); color: var(--link);
    font-size: 11px; font-weight: 650; line-height: 17px;
  }
  .bracket { font-size: 0; line-height: 0; }
  button.marker::after { content: ""; position: absolute; inset: -5px -3px; }
  button.marker:hover, button.marker[aria-expanded="true"] { background: var(--accent); color: var(--on-accent); }
  .sources { margin-block-start: 8px; }
  .sources-row { display: flex; align-items: baseline; gap: 8px; }
  .sources-title { font-size: 12px; color: var(--muted); padding-inline-start: 4px; }
  .sources ul { display: flex; flex-wrap: wrap; gap: 6px; min-inline-size: 0; }
  .sources li { max-inline-size: 100%; }
  .chip { display: flex; align-items: center; gap: 6px; max-inline-size: 100%; padding-block: 3px; border-radius: 999px; }
  .chip { font-size: 12.5px; background: var(--surface); border: 1px solid var(--line); padding-inline: 4px 10px; }
  .chip:hover, .chip[aria-expanded="true"] { border-color: var(--link); }
  .chip bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .number { display: grid; place-items: center; flex: none; min-inline-size: 18px; block-size: 18px; border-radius: 50%; }
  .number { background: var(--tint); color: var(--link); font-size: 11px; font-weight: 650; line-height: 1; }
  .passage { margin-block: 8px; padding: 10px 12px 12px; border-radius: 12px; background: var(--tint); }
  .passage header { display: flex; align-items: center; gap: 8px; margin-block-end: 4px; }
  .passage .number { background: var(--surface); }
  .passage cite { flex: 1; font-style: normal; font-weight: 650; font-size: 13.5px; line-height: 1.3; }
  .passage .icon-button { margin-inline-end: -4px; }
  .passage .icon-button:hover { background: var(--surface); }
  .passage blockquote { max-block-size: 220px; overflow-y: auto; font-size: 13.5px; line-height: 1.5; white-space: pre-line; }
  .passage a { display: inline-block; margin-block-start: 8px; font-size: 13px; font-weight: 550; color: var(--link); }
`;

const WRITING = `
  .tail { display: contents; }
  .status { display: flex; align-items: center; gap: 10px; min-block-size: 28px; font-size: 13px; color: var(--muted); }
  .stop { font-weight: 600; color: var(--ink); background: var(--surface); border: 1px solid var(--line); border-radius: 999px; }
  .stop { padding: 2px 12px; font-size: 12.5px; }
  .stop:hover:enabled { border-color: var(--link); }
  .stop:disabled { color: var(--muted); }
  .dots { display: inline-flex; gap: 4px; padding-inline-start: 4px; }
  .dots i { inline-size: 5px; block-size: 5px; border-radius: 50%; background: var(--link); animation: breathe 1.2s infinite ease-in-out; }
  .dots i:nth-child(2) { animation-delay: 0.15s; }
  .dots i:nth-child(3) { animation-delay: 0.3s; }
  @keyframes breathe { 0%, 70%, 100% { opacity: 0.3; } 35% { opacity: 1; } }
  .suggestions { display: flex; flex-direction: column; align-items: flex-start; gap: 8px; margin-block-start: auto; }
  .suggestions p { font-size: 13px; color: var(--muted); }
  .suggestions button { padding: 8px 14px; border-radius: 14px; border: 1px solid var(--line); background: var(--surface); }
  .suggestions button { text-align: start; font-size: 14px; line-height: 1.4; color: var(--link); }
  .suggestions button:hover { border-color: var(--link); }
  .composer { padding: 12px 12px 8px; }
  .field { display: flex; align-items: flex-end; gap: 8px; padding: 5px; padding-inline-start: 14px; border-radius: 22px; }
  .field { border: 1px solid var(--line); background: var(--canvas); }
  .field:focus-within { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
  textarea { flex: 1; min-inline-size: 0; max-block-size: 140px; resize: none; border: 0; background: none; padding: 6px 0; }
  textarea:focus-visible { outline: none; }
  textarea::placeholder { color: var(--muted); opacity: 1; }
  .send { display: grid; place-items: center; inline-size: 36px; block-size: 36px; flex: none; border-radius: 50%; }
  .send { background: var(--accent); color: var(--on-accent); }
  .send:disabled { background: var(--line); color: var(--muted); }
  .composer-foot { display: flex; align-items: center; justify-content: space-between; gap: 8px; min-block-size: 4px; }
  .composer-foot > :not(:empty) { margin-block-start: 4px; }
  .person { display: inline-flex; align-items: center; gap: 6px; }
  .person .icon { inline-size: 17px; block-size: 17px; }
  .count { margin-inline-start: auto; font-size: 12.5px; color: var(--muted); font-variant-numeric: tabular-nums; }
  .count[data-over] { color: var(--bad); font-weight: 600; }
`;

const SITUATIONS = `
  @media (max-width: 520px) {
    .panel { margin: 0; inline-size: 100vw; block-size: 100dvh; border: 0; border-radius: 0; }
    .launcher { margin: 16px; }
    textarea { font-size: 16px; }
  }
  @media (prefers-reduced-motion: no-preference) {
    .panel:not([hidden]) { animation: rise 0.22s cubic-bezier(0.2, 0.9, 0.3, 1); }
    .message, .event { animation: appear 0.18s ease-out; }
    @keyframes rise { from { opacity: 0; transform: translateY(14px) scale(0.985); } }
    @keyframes appear { from { opacity: 0; transform: translateY(6px); } }
  }
  @media (prefers-reduced-motion: reduce) {
    .dots i { animation: none; opacity: 0.7; }
  }
  @media (forced-colors: active) {
    .text, .panel, .launcher, .send, .marker { border: 1px solid; }
  }
`;

export const STYLES = COLOURS + BASE + FRAME + LOG + SOURCES + WRITING + SITUATIONS;
