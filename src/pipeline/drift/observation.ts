/** How a field differs from what the dataset's definition expects. */
export type DriftChange = 'new' | 'renamed' | 'missing' | 'null' | 'retyped' | 'range'

/** One difference in one page. */
export interface Observation {
  /** Name on the wire; of a renamed field the name it had. */
  readonly field: string
  readonly change: DriftChange
  /** Rows concerned. */
  readonly count: number
  /** What it is called now. */
  readonly to?: string
  /** Usual size of its values before and now. */
  readonly detail?: string
}

/** What is usual of a field: whether it ever came, and the size of its values. */
export interface Baseline {
  readonly typical?: number | undefined
}
/** By field. */
export type Baselines = ReadonlyMap<string, Baseline>
