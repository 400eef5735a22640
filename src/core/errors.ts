/**
 * Every way tapelake fails, as small classes with a stable `code`. Nobody matches message text:
 * retries look at `category`, the shell at `exitCode`, people at `message` and `hint`.
 */

/** What kind of failure it is; each has its own retry policy in config/retry_policy.yaml. */
export const ERROR_CATEGORIES = [
  'network',
  'timeout',
  'rate_limit',
  'server',
  'malformed',
  'not_found',
  'entitlement',
  'authentication',
  'validation',
  'disk',
  'lock',
  'interrupted',
  'config',
  'internal',
] as const
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number]

/** Exit codes of the command line, see docs/exit-codes.md. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  auth: 4,
  quality: 5,
  locked: 6,
  budget: 7,
  sigint: 130,
  sigterm: 143,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export interface ErrorDetails {
  /** What to do next, one sentence, shown after the message. */
  readonly hint?: string
  readonly cause?: unknown
}

/** The root of all errors that tapelake raises on purpose. */
export class PipelineError extends Error {
  readonly code: string = 'PIPELINE'
  readonly category: ErrorCategory = 'internal'
  readonly exitCode: ExitCode = EXIT.failed
  readonly hint: string | undefined

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.name = new.target.name
    this.hint = details.hint
  }
}

/** A flag, argument or combination of them that makes no sense. */
export class UsageError extends PipelineError {
  override readonly code: string = 'USAGE'
  override readonly category: ErrorCategory = 'config'
  override readonly exitCode: ExitCode = EXIT.usage
}

/** A setting, config file or dataset that does not fit; names file, line and key where known. */
export class ConfigError extends PipelineError {
  override readonly code: string = 'CONFIG'
  override readonly category: ErrorCategory = 'config'
  override readonly exitCode: ExitCode = EXIT.usage
}

/** A batch whose columns are not those its dataset defines: a fault in the program, not in the data. */
export class SchemaError extends PipelineError {
  override readonly code: string = 'SCHEMA'
}

/** The lake on disk does not accept what was asked: newer version, other provenance, torn ledger. */
export class LakeError extends PipelineError {
  override readonly code: string = 'LAKE'
  override readonly category: ErrorCategory = 'disk'
}

/** The data directory belongs to something else (newer tapelake, synthetic against real). */
export class LakeMismatchError extends LakeError {
  override readonly code: string = 'LAKE_MISMATCH'
  override readonly category: ErrorCategory = 'config'
  override readonly exitCode: ExitCode = EXIT.usage
}

/** What was read back is not what was written, or what the ledger says. */
export class IntegrityError extends LakeError {
  override readonly code: string = 'INTEGRITY'
}

/** What would be read is worse than the quality asked for. */
export class QualityError extends PipelineError {
  override readonly code: string = 'QUALITY'
  override readonly category: ErrorCategory = 'validation'
  override readonly exitCode: ExitCode = EXIT.quality
}

/** Disk full, read-only, permission: the operating system refused. */
export class DiskError extends PipelineError {
  override readonly code: string = 'DISK'
  override readonly category: ErrorCategory = 'disk'
}

/** Another process holds what this one needs. */
export class LockedError extends PipelineError {
  override readonly code: string = 'LOCKED'
  override readonly category: ErrorCategory = 'lock'
  override readonly exitCode: ExitCode = EXIT.locked
}

/** Ctrl-C, SIGTERM or an aborted signal; committed work stays. */
export class InterruptedError extends PipelineError {
  override readonly code: string = 'INTERRUPTED'
  override readonly category: ErrorCategory = 'interrupted'
  override readonly exitCode: ExitCode = EXIT.sigint
}

export interface VendorErrorDetails extends ErrorDetails {
  /** HTTP status, if an answer came at all. */
  readonly status?: number
  /** The vendor's id of the request, for their support. */
  readonly requestId?: string
  /** Path and query of the request; the key is never part of it. */
  readonly request?: string
  /** Seconds the vendor asked to wait (Retry-After). */
  readonly retryAfterSeconds?: number
  /** The vendor's own words, redacted. */
  readonly vendorMessage?: string
}

/** A request to a vendor that did not bring a usable answer. */
export class VendorError extends PipelineError {
  override readonly code: string = 'VENDOR'
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly request: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly vendorMessage: string | undefined

  constructor(message: string, details: VendorErrorDetails = {}) {
    super(message, details)
    this.status = details.status
    this.requestId = details.requestId
    this.request = details.request
    this.retryAfterSeconds = details.retryAfterSeconds
    this.vendorMessage = details.vendorMessage
  }
}

/** No connection, reset, DNS. */
export class NetworkError extends VendorError {
  override readonly code: string = 'NETWORK'
  override readonly category: ErrorCategory = 'network'
}

/** A deadline passed before the answer was whole. */
export class TimeoutError extends VendorError {
  override readonly code: string = 'TIMEOUT'
  override readonly category: ErrorCategory = 'timeout'
}

/** HTTP 429. */
export class RateLimitError extends VendorError {
  override readonly code: string = 'RATE_LIMIT'
  override readonly category: ErrorCategory = 'rate_limit'
}

/** The account's calls are used up for longer than it makes sense to wait; the message says when there are more. */
export class BudgetSpentError extends RateLimitError {
  override readonly code: string = 'BUDGET_SPENT'
  override readonly exitCode: ExitCode = EXIT.budget
}

/** What shares the account's calls cannot be reached or written; nothing is sent without it. */
export class BudgetStoreError extends VendorError {
  override readonly code: string = 'BUDGET_STORE'
  override readonly category: ErrorCategory = 'network'
}

/** HTTP 5xx. */
export class ServerError extends VendorError {
  override readonly code: string = 'SERVER'
  override readonly category: ErrorCategory = 'server'
}

/** An answer that came but cannot be used: broken JSON, truncated body, pages that do not advance. */
export class MalformedError extends VendorError {
  override readonly code: string = 'MALFORMED'
  override readonly category: ErrorCategory = 'malformed'
}

/** HTTP 404. */
export class NotFoundError extends VendorError {
  override readonly code: string = 'NOT_FOUND'
  override readonly category: ErrorCategory = 'not_found'
}

/** HTTP 400 and other 4xx: the request itself is refused. */
export class RequestRefusedError extends VendorError {
  override readonly code: string = 'REQUEST_REFUSED'
  override readonly category: ErrorCategory = 'validation'
}

/** HTTP 403: the plan does not cover the data asked for. Never retried. */
export class EntitlementError extends VendorError {
  override readonly code: string = 'NOT_ENTITLED'
  override readonly category: ErrorCategory = 'entitlement'
  override readonly exitCode: ExitCode = EXIT.auth
}

/** HTTP 401, or no key at all. Never retried. */
export class AuthenticationError extends VendorError {
  override readonly code: string = 'AUTHENTICATION'
  override readonly category: ErrorCategory = 'authentication'
  override readonly exitCode: ExitCode = EXIT.auth
}

/**
 * True for a failure of one request that others need not share. False for a refused key, a budget that is spent or
 * out of reach, and for everything that is no failure of the vendor (the disk, an interruption, a program error): these end the run.
 */
export const isRequestFailure = (error: unknown): error is VendorError =>
  error instanceof VendorError &&
  !(error instanceof AuthenticationError) &&
  !(error instanceof BudgetSpentError) &&
  !(error instanceof BudgetStoreError)

export const isPipelineError = (error: unknown): error is PipelineError => error instanceof PipelineError

/** The category of anything thrown; what is not ours is `internal`. */
export function categoryOf(error: unknown): ErrorCategory {
  if (isPipelineError(error)) return error.category
  return isDiskErrno(error) ? 'disk' : 'internal'
}

const DISK_ERRNO = new Set(['ENOSPC', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EDQUOT', 'EMFILE', 'ENOTDIR'])

/** True for an operating-system error of the kind a disk gives. */
export function isDiskErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && DISK_ERRNO.has(String(error.code))
}

/** The message of anything thrown, parquetjs-lite's bare strings included. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
