// What the server answers, and how to ask it.

export type Cell = number | string | boolean | null;

export interface Column {
  name: string;
  type: string;
  unit: string;
  ucd: string;
  description: string;
}

export interface Table {
  columns: Column[];
  rows: Cell[][];
}

export interface QueryAnswer extends Table {
  truncated: boolean;
  rowsMax: number;
  seconds: number;
}

export interface SourceRow extends Table {
  objectId: string | null;
}

export interface TableFacts {
  name: string;
  description: string;
  rows: number | null;
  columns: string[];
}

export interface Summary {
  title: string;
  version: string;
  tables: TableFacts[];
  bands: string[];
  images: number;
}

export interface Exposure {
  visit: number;
  detector: number;
  band: string;
  name: string;
  midMjdTai: number;
  width: number;
  height: number;
  binning: number;
  previewWidth: number;
  previewHeight: number;
  png: string;
  fits: string;
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`./api/${path}`, init);
  } catch {
    throw new Error('The server does not answer. Is it still running?');
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Error(body?.message ?? `The server answered ${response.status}.`);
  }
  return body as T;
}

export const summary = () => ask<Summary>('summary');
export const exposures = () => ask<{ images: Exposure[] }>('images').then((a) => a.images);
export const sources = (visit: number, detector: number) =>
  ask<Table>(`sources?visit=${visit}&detector=${detector}`);
export const source = (id: string) => ask<SourceRow>(`source?id=${encodeURIComponent(id)}`);
export const object = (id: string) => ask<Table>(`object?id=${encodeURIComponent(id)}`);
export const lightcurve = (id: string) =>
  ask<Table>(`lightcurve?objectId=${encodeURIComponent(id)}`);
export const query = (sql: string, signal?: AbortSignal) =>
  ask<QueryAnswer>('query', {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: sql,
    signal: signal ?? null,
  });

export const imageUrl = (e: Exposure, kind: 'png' | 'fits') =>
  new URL(`./api/images/${e.visit}/${e.detector}.${kind}`, document.baseURI).href;

/** Place of a column in a table, -1 when it is not there. */
export const index = (table: Table, name: string) =>
  table.columns.findIndex((c) => c.name.toLowerCase() === name.toLowerCase());
