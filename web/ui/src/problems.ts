/** A failure in words a person can act on. */
import { ApiProblem } from './api'
import { label, t, type TextKey } from './i18n'

/** Problem types whose whole meaning is known here; of others the server's own words are shown as well. */
const KNOWN: Record<string, TextKey> = {
  unreachable: 'error.unreachable',
  'conflict-of-interest': 'error.conflict_of_interest',
  forbidden: 'error.forbidden',
  'wrong-stage': 'error.wrong_stage',
  'stale-version': 'error.stale',
  'not-found': 'error.not_found',
  'not-playable': 'error.not_playable',
  'telephony-unavailable': 'error.telephony',
  unavailable: 'error.unavailable',
}

const BY_STATUS: Record<number, TextKey> = { 403: 'error.forbidden', 404: 'error.not_found', 409: 'error.wrong_stage', 412: 'error.stale' }

/** Return the sentence for `error`, with the server's reason when it gave one. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiProblem)) return t('error.other', { status: String(error) })
  if (error.missing.length > 0) return t('resolve.missing', { fields: fields(error.missing) })
  const known = KNOWN[error.slug]
  const reason = error.reason ? label('why', error.reason) : known ? '' : error.detail.replace(/\.$/, '')
  return withReason(known ? t(known) : general(error), reason)
}

function general(error: ApiProblem): string {
  if (error.status >= 500) return t('error.server', { status: error.status })
  return t(BY_STATUS[error.status] ?? 'error.other', { status: error.status })
}

function withReason(text: string, reason: string): string {
  return reason ? `${text} ${t('error.reason', { reason })}` : text
}

export function fields(names: readonly string[]): string {
  return names.map((name) => label('field', name)).join(', ')
}
