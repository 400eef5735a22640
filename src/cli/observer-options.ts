import type { LoadedConfig } from '../core/config/index.ts'
import type { Logger } from '../core/logger.ts'
import type { ObserverOptions } from '../monitor/observer.ts'

interface Observed {
  readonly config: LoadedConfig
  readonly logger: Logger
  readonly runId: string
}

/** What the observer of a run goes by, as the settings say; bursts of errors are logged once each. */
export function observerOptions({ config, logger, runId }: Observed): ObserverOptions {
  const { requestSeconds, commitSeconds, burstErrors, burstSeconds, recoverySeconds, ...performance } =
    config.settings.performance
  return {
    run: runId,
    performance: {
      ...performance,
      operationSeconds: { request: requestSeconds, commit: commitSeconds },
    },
    errors: {
      ...{ burstErrors, burstMs: burstSeconds * 1000, recoveryMs: recoverySeconds * 1000 },
      onBurst: ({ category, errors, lastMessage }) =>
        logger.warn({ category, errors }, `burst of ${category} errors, the last: ${lastMessage}`),
      onRecovery: ({ category, errors }) =>
        logger.info({ category, errors }, `burst of ${category} errors is over, there were ${errors}`),
    },
  }
}
