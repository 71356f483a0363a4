/** Entry of the engine worker: one conversion, away from the page's thread. */
import * as Comlink from 'comlink';
import { ImageError } from '../../errors.js';
import { runConversion } from './engine.js';
import type { ConvertProgress, ConvertReport, ConvertRequest, EngineApi, Reply } from './protocol.js';

class Engine implements EngineApi {
  readonly #abort = new AbortController();

  async convert(
    request: ConvertRequest,
    onProgress: (progress: ConvertProgress) => void,
  ): Promise<Reply<ConvertReport>> {
    try {
      return { ok: await runConversion(request, onProgress, this.#abort.signal) };
    } catch (thrown) {
      if (thrown instanceof ImageError) return { error: thrown.toPlain() };
      throw thrown;
    }
  }

  cancel(): void {
    this.#abort.abort();
  }
}

Comlink.expose(new Engine());
