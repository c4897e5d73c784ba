/** The look of pages for operators: quiet, readable from across a room, in light and dark. */

export const STYLE: string = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--line:#e3e6ea;--ink:#15191f;--mute:#687280;--ok:#12855a;--warn:#b26a00;--bad:#c62f3a;--info:#2c6bd6;--track:#eceff3;--shadow:0 1px 2px rgba(16,24,40,.05)}
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#161b22;--line:#262d37;--ink:#e8ecf1;--mute:#8b96a5;--ok:#3fbf8a;--warn:#e3a33b;--bad:#f0626c;--info:#6ea3ff;--track:#222a34;--shadow:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.45 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-font-smoothing:antialiased}
header{display:flex;align-items:center;gap:12px;padding:18px 24px 6px;flex-wrap:wrap}
h1{font-size:20px;font-weight:650;letter-spacing:-.01em;margin:0}
h2{font-size:12px;font-weight:600;letter-spacing:.05em;text-transform:uppercase;color:var(--mute);margin:0 0 12px}
.live{display:inline-flex;align-items:center;gap:7px;color:var(--mute);font-size:13px}
.dot{width:9px;height:9px;border-radius:50%;background:var(--mute);flex:none}
.dot.ok{background:var(--ok)}.dot.warn{background:var(--warn)}.dot.bad{background:var(--bad)}
.push{margin-left:auto;color:var(--mute);font-variant-numeric:tabular-nums}
main{display:grid;grid-template-columns:repeat(12,minmax(0,1fr));gap:14px;padding:12px 24px 28px;max-width:1800px;margin:0 auto}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px;box-shadow:var(--shadow);min-width:0}
.w12{grid-column:span 12}.w8{grid-column:span 8}.w6{grid-column:span 6}.w4{grid-column:span 4}.w3{grid-column:span 3}.w2{grid-column:span 2}
.fig{font-size:34px;font-weight:650;letter-spacing:-.02em;line-height:1.1;font-variant-numeric:tabular-nums;white-space:nowrap}
.fig small{font-size:15px;font-weight:500;color:var(--mute);letter-spacing:0;margin-left:4px}
.lbl{color:var(--mute);font-size:13px;margin-bottom:4px}
svg.chart{display:block;width:100%;height:210px}
.legend{display:flex;gap:16px;flex-wrap:wrap;color:var(--mute);font-size:13px;margin-top:8px}
.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.k-ok{background:var(--ok)}.k-info{background:var(--info)}.k-warn{background:var(--warn)}.k-bad{background:var(--bad)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--mute);text-align:left;font-size:12.5px;padding:0 12px 7px 0;white-space:nowrap}
td{padding:7px 12px 7px 0;border-top:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.chips{display:flex;flex-wrap:wrap;gap:4px}
.chip{background:var(--track);border-radius:5px;padding:1px 7px;font-size:12px;color:var(--mute);white-space:nowrap}
.bar{display:flex;height:8px;border-radius:4px;overflow:hidden;background:var(--track);margin-top:6px}
.bar i{display:block;height:100%}
.empty{color:var(--mute)}
.row{display:flex;justify-content:space-between;gap:12px;align-items:baseline}
.item+.item{margin-top:12px}
.state{font-weight:600}.state.ok{color:var(--ok)}.state.warn{color:var(--warn)}.state.bad{color:var(--bad)}
.mute{color:var(--mute)}
.row>.live,.row>div:last-child{flex:none;white-space:nowrap}
#errors td{width:1%;white-space:nowrap;padding-right:28px}#errors td:last-child{width:auto}
.scroll{overflow:auto;max-height:360px}
@media(max-width:1100px){.w8,.w4{grid-column:span 12}.w3{grid-column:span 6}.w2{grid-column:span 4}}
@media(max-width:640px){header{padding:14px 14px 2px}main{padding:10px 14px 20px;gap:10px}.w6,.w3{grid-column:span 12}.w2{grid-column:span 6}.fig{font-size:27px}.card{padding:13px 14px}svg.chart{height:150px}.hide{display:none}}
`;
