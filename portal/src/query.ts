// The query box and its result.

import * as api from './api';
import { byId, count, make, message, show } from './dom';

/** More rows than this on the page only slow it down; the download has them all. */
const ROWS_SHOWN = 500;

interface Example {
  name: string;
  sql: string;
  needs: string[];
}

const EXAMPLES: Example[] = [
  { name: 'The brightest sources', needs: ['Source'],
    sql: 'SELECT TOP 20 sourceId, visit, detector, ra, dec, psfFlux, psfFluxErr,\n' +
      '       scisql_nanojanskyToAbMag(psfFlux) AS psfMag\nFROM Source\nWHERE detect_isPrimary AND NOT psfFlux_flag\nORDER BY psfFlux DESC' },
  { name: 'Objects within a circle', needs: ['Object'],
    sql: 'SELECT TOP 100 o.objectId, o.coord_ra, o.coord_dec,\n' +
      "       3600 * DISTANCE(o.coord_ra, o.coord_dec, c.ra0, c.dec0) AS sepArcsec\n" +
      'FROM Object o\nCROSS JOIN (SELECT avg(coord_ra) AS ra0, avg(coord_dec) AS dec0 FROM Object) c\n' +
      "WHERE CONTAINS(POINT('ICRS', o.coord_ra, o.coord_dec), CIRCLE('ICRS', c.ra0, c.dec0, 0.02)) = 1\nORDER BY sepArcsec" },
  { name: 'The most variable objects', needs: ['ForcedSource'],
    sql: 'SELECT TOP 20 objectId, band, count(*) AS n, avg(psfFlux) AS meanFlux,\n' +
      '       stddev(psfFlux) / avg(psfFlux) AS relativeScatter\nFROM ForcedSource\nGROUP BY objectId, band\n' +
      'HAVING count(*) > 3 AND avg(psfFlux) > 10000\nORDER BY relativeScatter DESC' },
  { name: 'Visits', needs: ['Visit'], sql: 'SELECT * FROM Visit ORDER BY visit' },
  { name: 'Sources per exposure', needs: ['Source'],
    sql: 'SELECT visit, detector, count(*) AS nSources, avg(sky) AS sky\nFROM Source\nGROUP BY visit, detector\nORDER BY visit, detector' },
  { name: 'All tables', needs: [], sql: 'SHOW TABLES' },
  { name: 'The columns of Object', needs: ['Object'], sql: 'DESCRIBE Object' },
];

function csv(table: api.Table): string {
  const cell = (v: api.Cell) => {
    const text = v === null ? '' : String(v);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [table.columns.map((c) => c.name), ...table.rows];
  return lines.map((row) => row.map(cell).join(',')).join('\n') + '\n';
}

function compare(a: api.Cell, b: api.Cell): number {
  // What is missing comes last whatever the direction; see `sorted`.
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}

function sorted(rows: api.Cell[][], k: number, sign: number): api.Cell[][] {
  const missing = (r: api.Cell[]) => r[k] === null || r[k] === undefined;
  return [...rows].sort((a, b) => {
    if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
    return sign * compare(a[k] ?? null, b[k] ?? null);
  });
}

export class QueryBox {
  private answer: api.QueryAnswer | null = null;
  private order = { column: -1, sign: 1 };
  private running: AbortController | null = null;
  private sql = byId<HTMLTextAreaElement>('sql');
  private result = byId('result');
  private error = byId('query-error');
  private status = byId('query-status');
  private download = byId<HTMLButtonElement>('csv');

  constructor(tables: api.TableFacts[]) {
    const examples = byId<HTMLSelectElement>('examples');
    const there = new Set(tables.map((t) => t.name.toLowerCase()));
    const usable = EXAMPLES.filter((e) => e.needs.every((n) => there.has(n.toLowerCase())));
    for (const [k, e] of usable.entries()) examples.append(make('option', { value: k }, e.name));
    examples.addEventListener('change', () => {
      this.sql.value = usable[Number(examples.value)]?.sql ?? '';
      this.grow();
      void this.run();
    });
    this.sql.value = usable[0]?.sql ?? 'SHOW TABLES';
    this.grow();
    this.sql.addEventListener('input', () => this.grow());
    this.sql.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
        e.preventDefault();
        void this.run();
      }
    });
    byId('query-form').addEventListener('submit', (e) => {
      e.preventDefault();
      void this.run();
    });
    this.download.addEventListener('click', () => this.save());
  }

  private grow(): void {
    this.sql.rows = Math.min(12, Math.max(4, this.sql.value.split('\n').length));
  }

  private async run(): Promise<void> {
    this.running?.abort();
    const control = new AbortController();
    this.running = control;
    this.status.textContent = 'Running …';
    this.error.hidden = true;
    try {
      const answer = await api.query(this.sql.value, control.signal);
      if (control !== this.running) return;
      this.answer = answer;
      this.order = { column: -1, sign: 1 };
      const more = answer.truncated ? ` (cut off at ${count(answer.rowsMax)})` : '';
      const shown = answer.rows.length > ROWS_SHOWN ? `, the first ${ROWS_SHOWN} shown` : '';
      const rows = `${count(answer.rows.length)} ${answer.rows.length === 1 ? 'row' : 'rows'}`;
      this.status.textContent = `${rows}${more}${shown} in ${answer.seconds.toFixed(2)} s`;
      this.render();
    } catch (error) {
      if (control !== this.running) return;
      this.answer = null;
      this.status.textContent = '';
      this.result.hidden = true;
      this.error.textContent = message(error);
      this.error.hidden = false;
    }
    this.download.disabled = !this.answer;
  }

  private rows(): api.Cell[][] {
    if (!this.answer) return [];
    const { column, sign } = this.order;
    return column < 0 ? this.answer.rows : sorted(this.answer.rows, column, sign);
  }

  private render(): void {
    const answer = this.answer;
    if (!answer) return;
    const table = make('table');
    const head = make('tr');
    for (const [k, c] of answer.columns.entries()) {
      const chosen = this.order.column === k;
      const direction = this.order.sign > 0 ? 'ascending' : 'descending';
      const th = make('th', { scope: 'col', 'aria-sort': chosen ? direction : 'none' });
      const button = make('button', { type: 'button', title: c.description || 'Sort' }, c.name);
      if (c.unit) button.append(make('small', {}, c.unit));
      button.addEventListener('click', () => {
        this.order = { column: k, sign: chosen ? -this.order.sign : 1 };
        this.render();
        this.result.querySelectorAll<HTMLButtonElement>('th button')[k]?.focus();
      });
      th.append(button);
      head.append(th);
    }
    const thead = make('thead');
    thead.append(head);
    const body = make('tbody');
    for (const row of this.rows().slice(0, ROWS_SHOWN)) {
      const line = make('tr');
      for (const [k, c] of answer.columns.entries()) {
        const numeric = c.type !== 'string' && c.type !== 'boolean';
        const text = show(row[k] ?? null, c.type, c.unit);
        line.append(make('td', numeric ? { class: 'number' } : {}, text));
      }
      body.append(line);
    }
    table.append(thead, body);
    this.result.replaceChildren(table);
    this.result.hidden = false;
  }

  private save(): void {
    if (!this.answer) return;
    const text = csv({ columns: this.answer.columns, rows: this.rows() });
    const link = make('a', {
      href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })),
      download: 'elqui-query.csv',
    }) as HTMLAnchorElement;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
