// The Sky tab: the exposure's FITS image in Aladin Lite, from this server alone.
//
// Aladin Lite is a file of its own beside the page, loaded when the tab is first opened. Where it
// cannot work (no WebGL, no FITS image) the tab says so and the Frame tab remains.

import { type Exposure, type Table, imageUrl, index } from './api';
import { byId, message } from './dom';

interface AladinView {
  setBaseImageLayer(image: unknown): void;
  gotoRaDec(ra: number, dec: number): void;
  setFoV(fov: number): void;
  addCatalog(catalog: AladinCatalog): void;
  removeLayers?(): void;
  removeOverlays?(): void;
  on(event: string, f: (object: { data?: { id?: string } } | null) => void): void;
}
interface AladinCatalog {
  addSources(sources: unknown[]): void;
}
interface AladinLibrary {
  init: Promise<void>;
  aladin(selector: string, options: object): AladinView;
  image(url: string, options: object): unknown;
  catalog(options: object): AladinCatalog;
  source(ra: number, dec: number, data: object): unknown;
}

let library: Promise<AladinLibrary> | null = null;

function load(): Promise<AladinLibrary> {
  const url = new URL('./vendor/aladin-lite/aladin.js', document.baseURI).href;
  library ??= import(/* @vite-ignore */ url).then(async (module: { default: AladinLibrary }) => {
    await module.default.init;
    return module.default;
  });
  return library;
}

export class Sky {
  private view: AladinView | null = null;
  private note = byId('sky-note');

  constructor(private onSelect: (id: string) => void) {}

  async open(exposure: Exposure, sources: Table): Promise<void> {
    this.say('Loading Aladin Lite …');
    try {
      if (!exposure.fits) throw new Error('this exposure has no FITS image to show');
      if (!document.createElement('canvas').getContext('webgl2')) {
        throw new Error('this browser offers no WebGL 2');
      }
      const A = await load();
      const view = this.view ?? this.start(A);
      view.removeOverlays?.();
      const done = (ra: number, dec: number, fov: number) => {
        view.gotoRaDec(ra, dec);
        view.setFoV(fov * 1.1);
        this.say('');
      };
      const failed = (e: unknown) => this.say(`Aladin cannot show this image: ${message(e)}.`);
      view.setBaseImageLayer(A.image(imageUrl(exposure, 'fits'), {
        name: exposure.name || `visit ${exposure.visit}`,
        imgFormat: 'fits',
        stretch: 'asinh',
        successCallback: done,
        errorCallback: failed,
      }));
      this.overlay(A, view, sources);
    } catch (error) {
      this.say(`The sky view is not available: ${message(error)}. The Frame tab shows the image.`);
    }
  }

  private start(A: AladinLibrary): AladinView {
    const view = A.aladin('#aladin', {
      // No survey behind the image: nothing is asked of the net.
      survey: [],
      cooFrame: 'ICRSd',
      fov: 0.5,
      showReticle: false,
      showLayersControl: false,
      showSimbadPointerControl: false,
      showGotoControl: false,
      showShareControl: false,
      log: false,
    });
    view.on('objectClicked', (object) => {
      if (object?.data?.id) this.onSelect(object.data.id);
    });
    this.view = view;
    return view;
  }

  private overlay(A: AladinLibrary, view: AladinView, table: Table): void {
    const [id, ra, dec] = [index(table, 'sourceId'), index(table, 'ra'), index(table, 'dec')];
    const catalog = A.catalog({ name: 'Sources', shape: 'circle', sourceSize: 12, color: '#5fc8e1', onClick: 'showPopup' });
    view.addCatalog(catalog);
    catalog.addSources(
      table.rows
        .filter((r) => typeof r[ra] === 'number' && typeof r[dec] === 'number')
        .map((r) => A.source(r[ra] as number, r[dec] as number, { id: String(r[id]) })),
    );
  }

  private say(text: string): void {
    this.note.textContent = text;
    this.note.hidden = !text;
  }
}
