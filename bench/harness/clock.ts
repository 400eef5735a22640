/** Milliseconds that `work` took. */
export async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

/** First run and median of `more` further runs of `work`, milliseconds. */
export async function coldAndWarm(
  work: () => unknown,
  more: number,
): Promise<{ coldMs: number; warmMs: number }> {
  const coldMs = await timed(work)
  const warm: number[] = []
  for (let i = 0; i < more; i++) warm.push(await timed(work))
  return { coldMs, warmMs: median(warm) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Processor time of this process, all its threads, since `before` = process.cpuUsage(); milliseconds. */
export function cpuMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
