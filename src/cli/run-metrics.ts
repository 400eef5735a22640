import { dirname, resolve } from 'node:path'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { makeFolder, replaceFile } from '../lake/durable.ts'
import { createMetrics, type Metrics, type MetricsOptions } from '../monitor/metrics.ts'
import { serveMetrics, type MetricsServer } from '../monitor/metrics-server.ts'
import type { MetricsFlags } from './metrics-flags.ts'

/** The file is written again after this time while the run goes on. */
const WRITE_EVERY_MS = 15_000

export interface RunMetricsOptions extends Omit<MetricsOptions, 'process'> {
  readonly flags: MetricsFlags
  readonly host: string
  readonly cwd: string
  readonly logger: Logger
}

/** Shows the metrics of a run: on a port while it goes on, in a file also when it has ended. */
export class RunMetrics {
  readonly #options: RunMetricsOptions
  readonly #served: Metrics | undefined
  readonly #written: Metrics | undefined
  #server: MetricsServer | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  private constructor(options: RunMetricsOptions, served: Metrics | undefined, written: Metrics | undefined) {
    this.#options = options
    this.#served = served
    this.#written = written
  }

  /**
   * Begins to show metrics; undefined where no flag asks for any.
   *
   * @throws {ConfigError} when the port cannot be had
   * @throws {DiskError} when the file cannot be written
   */
  static async start(options: RunMetricsOptions): Promise<RunMetrics | undefined> {
    const { metricsPort, metricsTextfile } = options.flags
    if (metricsPort === undefined && metricsTextfile === undefined) return undefined
    const served = metricsPort === undefined ? undefined : await createMetrics({ ...options, process: true })
    const written =
      metricsTextfile === undefined ? undefined : await createMetrics({ ...options, process: false })
    const metrics = new RunMetrics(options, served, written)
    if (served) metrics.#server = await serveMetrics(served, options.host, metricsPort!)
    try {
      await metrics.#write()
    } catch (error) {
      await metrics.#server?.close()
      throw error
    }
    metrics.#timer = setInterval(() => metrics.#refresh(), WRITE_EVERY_MS)
    metrics.#timer.unref()
    return metrics
  }

  /** Where they are served; undefined: nowhere. */
  get url(): string | undefined {
    return this.#server?.url
  }

  /** An answer took `ms`. */
  observeRequest(endpoint: string, ms: number): void {
    this.#served?.observeRequest(endpoint, ms / 1000)
    this.#written?.observeRequest(endpoint, ms / 1000)
  }

  /** Writes the file a last time and closes the port. Never throws. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#writing
    this.#refresh()
    await this.#writing
    await this.#server?.close()
  }

  #refresh(): void {
    this.#writing = this.#writing
      .then(() => this.#write())
      .catch((error: unknown) =>
        this.#options.logger.warn({ err: error }, `metrics could not be written: ${messageOf(error)}`),
      )
  }

  async #write(): Promise<void> {
    const { flags, cwd } = this.#options
    if (!this.#written || flags.metricsTextfile === undefined) return
    const path = resolve(cwd, flags.metricsTextfile)
    await makeFolder(dirname(path))
    await replaceFile(path, await this.#written.render())
  }
}
