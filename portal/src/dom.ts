// Small helpers: finding and making elements, and writing numbers.

import type { Cell } from './api';

export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as unknown as T;
}

type Attributes = Record<string, string | number>;

export function make(tag: string, attributes: Attributes = {}, text?: string): HTMLElement {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(tag: string, attributes: Attributes = {}, text?: string): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A value as a person reads it; whole numbers and ids stay as they are. */
export function show(value: Cell, type: string, unit: string): string {
  if (value === null) return '—';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return value;
  if (type === 'long' || type === 'int' || Number.isInteger(value)) return String(value);
  if (unit === 'deg' && Math.abs(value) >= 0.01) return value.toFixed(6);
  if (unit === 'd') return value.toFixed(5);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return value.toExponential(4);
  return String(Number(value.toPrecision(type === 'float' ? 6 : 8)));
}

export const count = (n: number) => n.toLocaleString('en-US');

export const message = (error: unknown) => (error instanceof Error ? error.message : String(error));
