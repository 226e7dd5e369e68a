// The page in a real browser, over a running server.
//
//   ELQUI_URL=http://127.0.0.1:8080/ npm test
//
// ELQUI_CHROMIUM names the browser (default /usr/bin/chromium), ELQUI_SCREENSHOTS a folder for the
// pictures (default: none are kept). Nothing but the server's own address may be asked for.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const url = process.env.ELQUI_URL;
const shots = process.env.ELQUI_SCREENSHOTS;
const skip = url ? false : 'ELQUI_URL is not set';

let browser;
let page;
const strangers = [];
const complaints = [];

async function shot(name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

before(async () => {
  if (!url) return;
  browser = await chromium.launch({
    executablePath: process.env.ELQUI_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
      '--disable-component-update'],
  });
  page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, colorScheme: 'dark' });
  page.setDefaultTimeout(30_000);
  page.on('request', (r) => {
    if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== new URL(url).origin) strangers.push(r.url());
  });
  page.on('pageerror', (e) => complaints.push(String(e)));
  await page.goto(url);
});

after(async () => {
  await browser?.close();
});

const frame = () => page.getByTestId('frame');

/** Where an image pixel is in the window. */
async function place(x, y) {
  const box = await frame().boundingBox();
  const at = await frame().evaluate((c) => ({ ...c.dataset }));
  const height = await page.evaluate(async () => {
    const k = Number(document.getElementById('exposure').value);
    return (await (await fetch('api/images')).json()).images[k].height;
  });
  const scale = Number(at.scale);
  return [
    box.x + Number(at.left) + (x + 0.5) * scale,
    box.y + Number(at.top) + (height - y - 0.5) * scale,
  ];
}

/**
 * A bright source of the exposure that is shown, well inside and far from its neighbours. The
 * brightest few in a hundred may be saturated and are left alone.
 */
async function lonelySource() {
  return page.evaluate(async () => {
    const k = Number(document.getElementById('exposure').value);
    const e = (await (await fetch('api/images')).json()).images[k];
    const t = await (await fetch(`api/sources?visit=${e.visit}&detector=${e.detector}`)).json();
    const col = (n) => t.columns.findIndex((c) => c.name === n);
    const [id, x, y, flux] = ['sourceId', 'x', 'y', 'psfFlux'].map(col);
    const all = t.rows.filter((r) => r[x] !== null && r[y] !== null);
    all.sort((a, b) => (b[flux] ?? 0) - (a[flux] ?? 0));
    all.splice(0, Math.floor(all.length / 30));
    const reach = e.width / 40;
    const best = all.find((r) =>
      r[x] > reach && r[y] > reach && r[x] < e.width - reach && r[y] < e.height - reach &&
      all.every((o) => o === r || Math.hypot(o[x] - r[x], o[y] - r[y]) > reach));
    return { id: String((best ?? all[0])[id]), x: (best ?? all[0])[x], y: (best ?? all[0])[y] };
  });
}

test('the image is drawn, with its sources', { skip }, async () => {
  await page.locator('[data-testid=frame][data-drawn=true]').waitFor();
  await page.waitForFunction(() => Number(document.getElementById('frame').dataset.sources) > 10);
  const levels = await frame().evaluate((c) => {
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    const seen = new Set();
    for (let k = 0; k < data.length; k += 4) if (data[k + 3]) seen.add(data[k]);
    return seen.size;
  });
  assert.ok(levels > 30, `only ${levels} grey levels in the picture`);
  await shot('1-image');
});

test('the top counts the tables', { skip }, async () => {
  const text = await page.getByTestId('counts').innerText();
  assert.match(text, /Source\s+[\d,]+/);
});

test('a click on a source shows its row and its light curve', { skip }, async () => {
  const source = await lonelySource();
  const [x, y] = await place(source.x, source.y);
  await page.mouse.click(x, y);
  await page.locator(`#details[data-source="${source.id}"]`).waitFor();
  const text = await page.getByTestId('details').innerText();
  assert.ok(text.includes(source.id) && text.includes('psfFlux') && text.includes('nJy'), text);
  const curve = page.getByTestId('lightcurve');
  await curve.locator('svg[role=img]').waitFor();
  assert.ok((await curve.locator('.point').count()) > 1, 'the light curve has points');
  assert.ok((await curve.locator('.error-bar').count()) > 1, 'the points have error bars');
  assert.match(await curve.locator('svg[role=img]').innerHTML(), /MJD.*PSF flux \(nJy\)/s);
  await shot('2-source');
});

test('the keyboard reaches the sources', { skip }, async () => {
  const before = await frame().getAttribute('data-selected');
  await frame().focus();
  await page.keyboard.press('0');
  await page.keyboard.press(']');
  await page.waitForFunction((id) => {
    const now = document.getElementById('frame').dataset.selected;
    return now && now !== id && document.getElementById('details').dataset.source === now;
  }, before);
});

test('a query gives a table that sorts and downloads', { skip }, async () => {
  await page.getByTestId('sql').fill('SELECT TOP 20 sourceId, psfFlux FROM Source');
  await page.getByTestId('run').click();
  const result = page.getByTestId('result');
  await result.locator('tbody tr').first().waitFor();
  assert.equal(await result.locator('tbody tr').count(), 20);
  const head = result.locator('th button', { hasText: 'psfFlux' }).first();
  await head.click();
  const column = (await result.locator('thead th').allInnerTexts()).findIndex((t) => t.startsWith('psfFlux'));
  const values = await result.locator(`tbody tr td:nth-child(${column + 1})`).allInnerTexts();
  const numbers = values.map(Number).filter(Number.isFinite);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByTestId('csv').click(),
  ]);
  assert.equal(download.suggestedFilename(), 'elqui-query.csv');
  await shot('3-query');
});

test('a bad query is told in one line', { skip }, async () => {
  await page.getByTestId('sql').fill('SELECT psfFlx FROM Source');
  await page.getByTestId('sql').press('Control+Enter');
  const error = page.getByTestId('query-error');
  await error.waitFor();
  const text = await error.innerText();
  assert.ok(!text.includes('\n') && text.includes('psfFlx') && text.includes('psfFlux'), text);
  await shot('4-error');
});

test('the sky tab shows the image or says why not', { skip }, async () => {
  await page.getByRole('tab', { name: 'Sky' }).click();
  await page.waitForFunction(() => {
    const note = document.getElementById('sky-note');
    return note.hidden || /not available|cannot show/.test(note.textContent);
  });
  await shot('5-sky');
  await page.getByRole('tab', { name: 'Frame' }).click();
});

test('nothing is asked of the net, and no script fails', { skip }, () => {
  assert.deepEqual(strangers, []);
  assert.deepEqual(complaints, []);
});
