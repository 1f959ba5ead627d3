/** A failure in words a person can act on. */
import { ApiProblem } from './api'
import { label, t, type TextKey } from './i18n'

const TEXTS: Record<number, TextKey> = {
  0: 'error.unreachable',
  403: 'error.forbidden',
  409: 'error.conflict',
  412: 'error.stale',
}

/** Return the sentence for `error`, with the server's reason when it gave one. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiProblem)) return t('error.other', { status: String(error) })
  if (error.missing.length > 0) return t('resolve.missing', { fields: fields(error.missing) })
  if (error.status >= 500) return t('error.server', { status: error.status })
  const text = t(TEXTS[error.status] ?? 'error.other', { status: error.status })
  const reason = error.status === 0 || error.status === 412 ? '' : error.reason ? label('refusal', error.reason) : error.detail
  return reason ? `${text} ${t('error.reason', { reason })}` : text
}

export function fields(names: readonly string[]): string {
  return names.map((name) => label('field', name)).join(', ')
}
