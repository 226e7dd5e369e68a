// The page: wires the image, the details and the query box to the server.

import './style.css';
import * as api from './api';
import { Details } from './details';
import { byId, count, make, message } from './dom';
import { QueryBox } from './query';
import { Sky } from './sky';
import { Viewer, marks } from './viewer';

const details = new Details(byId('details'));
const note = byId('frame-note');
const viewer = new Viewer(byId<HTMLCanvasElement>('frame'), byId('readout'), (m) => void details.open(m.id));
const sky = new Sky((id) => {
  viewer.select(id);
  void details.open(id);
});

let exposures: api.Exposure[] = [];
let current: { exposure: api.Exposure; sources: api.Table } | null = null;

function say(text: string): void {
  note.textContent = text;
  note.hidden = !text;
}

async function show(exposure: api.Exposure): Promise<void> {
  say('Loading …');
  current = null;
  const none: api.Table = { columns: [], rows: [] };
  try {
    const [, sources] = await Promise.all([
      viewer.open(exposure),
      api.sources(exposure.visit, exposure.detector).catch((e) => {
        say(message(e));
        return none;
      }),
    ]);
    viewer.setSources(marks(sources));
    current = { exposure, sources };
    if (sources !== none) say('');
    if (!byId('pane-sky').hidden) void sky.open(exposure, sources);
  } catch {
    say(`The picture of ${exposure.name || `visit ${exposure.visit}`} could not be loaded.`);
  }
}

function fillExposures(): void {
  const select = byId<HTMLSelectElement>('exposure');
  const bands = [...new Set(exposures.map((e) => e.band))];
  for (const band of bands) {
    const group = make('optgroup', { label: band ? `Band ${band}` : 'No band' });
    for (const [k, e] of exposures.entries()) {
      if (e.band !== band) continue;
      const time = e.midMjdTai ? ` · MJD ${e.midMjdTai.toFixed(3)}` : '';
      group.append(make('option', { value: k }, `visit ${e.visit} · detector ${e.detector} · ${e.band}${time}`));
    }
    select.append(group);
  }
  select.addEventListener('change', () => {
    const chosen = exposures[Number(select.value)];
    if (chosen) void show(chosen);
  });
  const first = exposures[Number(select.value)];
  if (first) void show(first);
  else say('There are no images here; the query box below works all the same.');
}

function fillSummary(summary: api.Summary): void {
  document.title = summary.title ? `${summary.title} · Elqui` : 'Elqui';
  byId('title').textContent = summary.title;
  const counts = byId('counts');
  const item = (name: string, value: string, title = '') => {
    const box = make('div', { title });
    box.append(make('dt', {}, name), make('dd', {}, value));
    counts.append(box);
  };
  for (const t of summary.tables) if (t.rows !== null) item(t.name, count(t.rows), t.description);
  if (summary.images) item('Images', count(summary.images));
  if (summary.bands.length) item('Bands', summary.bands.join(' '));
}

function wireTabs(): void {
  const tabs = [byId('tab-frame'), byId('tab-sky')];
  const panes = [byId('pane-frame'), byId('pane-sky')];
  const choose = (k: number) => {
    tabs.forEach((tab, j) => {
      tab.setAttribute('aria-selected', String(j === k));
      tab.tabIndex = j === k ? 0 : -1;
    });
    panes.forEach((pane, j) => (pane.hidden = j !== k));
    document.querySelectorAll<HTMLButtonElement>('.tools button, .tools input').forEach((b) => (b.disabled = k !== 0));
    if (k === 1 && current) void sky.open(current.exposure, current.sources);
  };
  tabs.forEach((tab, k) => {
    tab.addEventListener('click', () => choose(k));
    tab.addEventListener('keydown', (e) => {
      if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight') return;
      choose(1 - k);
      tabs[1 - k]?.focus();
    });
  });
}

function wireTools(): void {
  byId('zoom-in').addEventListener('click', () => viewer.zoom(1.6));
  byId('zoom-out').addEventListener('click', () => viewer.zoom(1 / 1.6));
  byId('zoom-fit').addEventListener('click', () => viewer.fit());
  const box = byId<HTMLInputElement>('show-sources');
  box.addEventListener('change', () => {
    viewer.visible = box.checked;
    viewer.redraw();
  });
}

async function start(): Promise<void> {
  wireTabs();
  wireTools();
  let tables: api.TableFacts[] = [];
  try {
    const summary = await api.summary();
    tables = summary.tables;
    fillSummary(summary);
    exposures = await api.exposures();
  } catch (error) {
    say(message(error));
  }
  new QueryBox(tables);
  fillExposures();
}

void start();
