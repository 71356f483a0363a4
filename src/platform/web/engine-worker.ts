/** Entry of the engine worker: one task, away from the page's thread. */
import * as Comlink from 'comlink';
import type { Survey } from '../../image/survey.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { type Control, runConversion } from './engine.js';
import type { HelperHost } from './helpers.js';
import { listFormats, runInspection, runSurvey } from './inspect.js';
import { createWebKernels, startWebKernels } from './kernels.js';
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
import { rehearse } from './rehearsal.js';
import { type Reply, reply } from './reply.js';
import { runUnpacking } from './unpacking.js';
import { runVerification } from './verify.js';

class Engine implements EngineApi {
  readonly #abort = new AbortController();
  #begun: Control | undefined;
  #warm: Promise<Kernels | undefined> | undefined;

  get #control(): Control {
    if (this.#begun === undefined) throw new Error('the engine was not begun');
    return this.#begun;
  }

  begin(host: Comlink.Remote<HelperHost>): void {
    const { signal } = this.#abort;
    this.#begun = { traffic: freeTraffic(host, signal), host, signal };
  }

  async warmUp(): Promise<void> {
    const { host, traffic } = this.#control;
    // The conversion tries again, and tells why it fails.
    this.#warm = startWebKernels({ host }).catch(() => undefined);
    const kernels = await this.#warm;
    if (kernels !== undefined) await rehearse(kernels, traffic).catch(() => {});
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
    return reply(
      this.#kernelsFor(request).then((kernels) => runConversion(request, kernels, onProgress, this.#control)),
    );
  }

  /** Those that are warm, if they are what is asked for. */
  async #kernelsFor({ workers }: ConvertRequest): Promise<Kernels> {
    const { host } = this.#control;
    const warm = workers === undefined ? await this.#warm : undefined;
    return warm ?? createWebKernels({ workers, host });
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
