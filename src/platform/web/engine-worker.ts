/** Entry of the engine worker: one task, away from the page's thread. */
import * as Comlink from 'comlink';
import type { Survey } from '../../image/survey.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { type Control, runConversion } from './engine.js';
import type { HelperHost } from './helpers.js';
import { listFormats, runInspection, runSurvey } from './inspect.js';
import { holdLifeline } from './lifeline.js';
import { freeTraffic } from './picked-file.js';
import type {
  ConvertProgress,
  ConvertReport,
  ConvertRequest,
  EngineApi,
  FormatInfo,
  Inspection,
  OnStep,
  SourceRequest,
  UnpackRequest,
  Verification,
  VerifyRequest,
} from './protocol.js';
import { type Reply, reply } from './reply.js';
import { runUnpacking } from './unpacking.js';
import { runVerification } from './verify.js';

class Engine implements EngineApi {
  readonly #abort = new AbortController();
  #begun: Control | undefined;

  get #control(): Control {
    if (this.#begun === undefined) throw new Error('the engine was not begun');
    return this.#begun;
  }

  begin(host: Comlink.Remote<HelperHost>): void {
    const { signal } = this.#abort;
    this.#begun = { traffic: freeTraffic(host, signal), host, signal };
  }

  live(lock: string): Promise<void> {
    return holdLifeline(lock);
  }

  formats(): FormatInfo[] {
    return listFormats();
  }

  openRemote(address: string): Promise<Reply<RemoteFile>> {
    const { traffic } = this.#control;
    return reply(traffic.remote().call((api) => api.open(address)));
  }

  inspect(source: SourceRequest): Promise<Reply<Inspection>> {
    return reply(runInspection(source, this.#control));
  }

  survey(source: SourceRequest, cells: number, onSurvey: (survey: Survey) => void): Promise<Reply<null>> {
    return reply(runSurvey(source, cells, onSurvey, this.#control));
  }

  convert(request: ConvertRequest, onProgress: (progress: ConvertProgress) => void): Promise<Reply<ConvertReport>> {
    return reply(runConversion(request, onProgress, this.#control));
  }

  verify(request: VerifyRequest, onStep: OnStep): Promise<Reply<Verification>> {
    return reply(runVerification(request, onStep, this.#control));
  }

  unpack(request: UnpackRequest, onStep: OnStep): Promise<Reply<null>> {
    return reply(runUnpacking(request, onStep, this.#control));
  }

  hold(held: boolean): void {
    const { gate } = this.#control.traffic;
    if (held) gate.close();
    else gate.open();
  }

  cancel(): void {
    this.#abort.abort();
    // What waits at the gate must see that.
    this.#control.traffic.gate.open();
  }
}

Comlink.expose(new Engine());
