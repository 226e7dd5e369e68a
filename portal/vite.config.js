// The page is built into dist/, which the portal crate embeds.
//
// Aladin Lite (GPL/LGPL) is not bundled with our code: its file is copied as it is, with its
// licences beside it, and loaded only when the Sky tab is opened.
import { copyFileSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

const separateAladin = {
  name: 'separate-aladin',
  closeBundle() {
    const from = resolve(import.meta.dirname, 'node_modules/aladin-lite');
    const to = resolve(import.meta.dirname, 'dist/vendor/aladin-lite');
    mkdirSync(to, { recursive: true });
    for (const [file, name] of [
      ['dist/aladin.js', 'aladin.js'],
      ['COPYING', 'COPYING.txt'],
      ['COPYING.LESSER', 'COPYING.LESSER.txt'],
      ['LICENSE', 'LICENSE.txt'],
    ]) {
      copyFileSync(resolve(from, file), resolve(to, name));
    }
  },
};

export default defineConfig({
  base: './',
  build: { target: 'es2022', assetsInlineLimit: 0, emptyOutDir: true },
  plugins: [separateAladin],
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});
