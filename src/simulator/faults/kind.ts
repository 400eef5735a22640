import type { Answer } from '../call.ts'
import type { Random } from '../world/random.ts'
import type { OptionSpecs, OptionValue } from './options.ts'

/** A fault as asked for: which kind, with which options. Made by `parseFault`. */
export interface Fault {
  readonly name: string
  readonly options: Readonly<Record<string, OptionValue>>
}

/** What a fault may look at when it acts on a call. */
export interface FaultContext {
  readonly target: URL
  readonly requestId: string
  /** Seeded by the fault and the call. */
  readonly random: Random
  /** The faultless answer to another request, with this one's id. */
  readonly answer: (target: URL) => Answer
}

/** How the bytes of an answer are put on the wire. */
export interface Wire {
  /** `whole` sends it as it should be; `none` never sends anything. */
  readonly mode:
    'whole' | 'none' | 'reset-before' | 'reset-headers' | 'reset-body' | 'cut-length' | 'cut-chunked'
  /** Wait before the first byte, milliseconds. */
  readonly delayMs: number
  /** Stretch the body over this time, milliseconds. */
  readonly trickleMs: number
}

/** An answer as it should be sent. */
export const WHOLE: Wire = { mode: 'whole', delayMs: 0, trickleMs: 0 }

/** True where the client gets every byte, however late. */
export const isWhole = (wire: Wire): boolean => wire.mode === 'whole'

type Options = Fault['options']

/** One way in which a vendor goes wrong. A kind acts at one of four points of a call, or on the live socket. */
export interface FaultKind {
  readonly name: string
  /** What it does, one sentence for the help. */
  readonly does: string
  readonly options: OptionSpecs
  /** Options that choose when it acts; default: those of calls. */
  readonly choice?: OptionSpecs
  /** It acts on the live socket: at moments of market time, on frames, or on attempts to get in. */
  readonly socket?: 'moment' | 'frames' | 'attempts'
  /** Answers in place of the endpoint. */
  readonly refuse?: (options: Options, context: FaultContext) => Answer | undefined
  /** Asks the endpoint something else. */
  readonly rewrite?: (options: Options, target: URL) => URL | undefined
  /** Changes a good answer; undefined where there is nothing to change. */
  readonly edit?: (options: Options, answer: Answer, context: FaultContext) => Answer | undefined
  readonly wire?: (options: Options) => Wire
}
