// The chosen source: its light curve and its row.

import * as api from './api';
import { make, message, show } from './dom';

const FIRST = ['sourceId', 'objectId', 'band', 'ra', 'dec', 'psfFlux', 'psfFluxErr', 'extendedness'];

/** A row as a list of names and values, numbers first and flags that are set named apart. */
function rowTable(table: api.Table, caption: string): HTMLElement {
  const box = make('details', { open: '' });
  box.append(make('summary', {}, caption));
  const row = table.rows[0] ?? [];
  const raised = table.columns.filter((c, k) => c.type === 'boolean' && row[k] === true);
  if (table.columns.some((c) => c.type === 'boolean')) {
    const flags = make('p', { class: 'flags' });
    flags.append(make('span', {}, raised.length ? 'Set: ' : 'No flag is set.'));
    for (const c of raised) flags.append(make('code', { title: c.description }, c.name), ' ');
    box.append(flags);
  }
  const list = make('table', { class: 'row' });
  const body = make('tbody');
  const order = table.columns
    .map((c, k) => ({ c, k, rank: FIRST.indexOf(c.name) }))
    .filter(({ c }) => c.type !== 'boolean')
    .sort((a, b) => (a.rank < 0 ? 99 : a.rank) - (b.rank < 0 ? 99 : b.rank) || a.k - b.k);
  for (const { c, k } of order) {
    const line = make('tr');
    line.append(make('th', { scope: 'row', title: c.description }, c.name));
    line.append(make('td', { class: 'value' }, show(row[k] ?? null, c.type, c.unit)));
    line.append(make('td', { class: 'unit' }, c.unit));
    body.append(line);
  }
  list.append(body);
  box.append(list);
  return box;
}

export class Details {
  private turn = 0;

  constructor(private box: HTMLElement) {}

  /** Show a source by its id. */
  async open(id: string): Promise<void> {
    const turn = ++this.turn;
    this.box.setAttribute('aria-busy', 'true');
    const parts: HTMLElement[] = [];
    try {
      const source = await api.source(id);
      parts.push(make('p', { class: 'chosen' }, `Source ${id}`));
      if (source.objectId) {
        // The row is worth seeing even where the light curve fails, and the other way round.
        const [curve, object] = await Promise.allSettled([
          api.lightcurve(source.objectId), api.object(source.objectId)]);
        if (curve.status === 'fulfilled') {
          const { plot } = await import('./lightcurve');
          parts.push(make('h3', {}, `Light curve of object ${source.objectId}`));
          parts.push(plot(curve.value, source.objectId));
        } else {
          parts.push(make('p', { class: 'error' }, message(curve.reason)));
        }
        parts.push(rowTable(source, 'Row of the source'));
        if (object.status === 'fulfilled') parts.push(rowTable(object.value, 'Row of the object'));
      } else {
        parts.push(make('p', { class: 'empty' }, 'This source belongs to no object, so it has no light curve.'));
        parts.push(rowTable(source, 'Row of the source'));
      }
    } catch (error) {
      parts.push(make('p', { class: 'error', role: 'alert' }, message(error)));
    }
    // A later click wins.
    if (turn !== this.turn) return;
    this.box.replaceChildren(...parts);
    this.box.dataset.source = id;
    this.box.removeAttribute('aria-busy');
    this.box.scrollTop = 0;
  }
}
