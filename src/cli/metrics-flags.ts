import { InvalidArgumentError, type Command } from 'commander'

/** Where a run shows its metrics. */
export interface MetricsFlags {
  /** 0: any free port. */
  readonly metricsPort?: number
  readonly metricsTextfile?: string
}

/** The flags `--metrics-port` and `--metrics-textfile`. */
export function addMetricsFlags(command: Command): Command {
  return command
    .option(
      '--metrics-port <n>',
      'serve Prometheus metrics at /metrics while it runs; 0 = any free port',
      port,
    )
    .option('--metrics-textfile <file>', 'write metrics for node_exporter: FILE, replaced atomically')
}

function port(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (value <= 65_535) return value
  throw new InvalidArgumentError('Expected a port from 0 to 65535.')
}
