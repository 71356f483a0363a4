import * as diskloom from 'diskloom/web';

globalThis.diskloom = diskloom;
