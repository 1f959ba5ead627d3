/** What a person may do next with an appeal. A refusal is shown with its reason, and what was typed stays. */
import { useState } from 'preact/hooks'
import { api, ApiProblem } from '../api'
import { t } from '../i18n'
import { explain, fields } from '../problems'
import { dictionaries, notice } from '../store'
import type { Appeal } from '../types'
import { Notes } from './notes'

interface Props {
  appeal: Appeal
  etag: string | null
  reload: () => void
}

const TAKE_FROM = ['received', 'acknowledged']

export function Actions({ appeal, etag, reload }: Props) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const act = async (doing: () => Promise<unknown>, said: string) => {
    setBusy(true)
    setError(null)
    try {
      await doing()
      notice.value = said
    } catch (problem) {
      setError(problem)
    } finally {
      setBusy(false)
      reload()
    }
  }
  const mayTake = TAKE_FROM.includes(appeal.phase)
  const mayResolve = appeal.phase === 'investigating'
  if (isLeftNotes(appeal)) {
    return (
      <section class="panel actions" aria-labelledby="actions-title">
        <h2 id="actions-title">{t('notes.title')}</h2>
        {error !== null ? <Refusal error={error} /> : null}
        <Notes key={appeal.version} appeal={appeal} etag={etag} busy={busy} act={act} />
      </section>
    )
  }
  if (!mayTake && !mayResolve && error === null) return null
  return (
    <section class="panel actions" aria-labelledby="actions-title">
      <h2 id="actions-title">{mayResolve ? t('resolve.title') : t('take.button')}</h2>
      {error !== null ? <Refusal error={error} /> : null}
      {error === null && refusedBefore(appeal, mayTake ? 'take' : 'resolve') ? <p class="note">{t('action.not_yours')}</p> : null}
      {mayTake ? (
        <button
          type="button"
          data-testid="take-button"
          disabled={busy}
          onClick={() => void act(() => api.take(appeal.number, etag), t('take.done', { number: appeal.number }))}
        >
          {t('take.button')}
        </button>
      ) : null}
      {mayResolve ? <ResolveForm appeal={appeal} etag={etag} busy={busy} missing={missingOf(error)} act={act} /> : null}
    </section>
  )
}

/** Who answered the call may note what the caller said, and no more. */
function isLeftNotes({ may }: Appeal): boolean {
  return may !== undefined && may.includes('note') && !may.includes('take')
}

/** The rights would refuse it, and an attempt is recorded: better said before than after. */
function refusedBefore(appeal: Appeal, verb: string): boolean {
  return appeal.may !== undefined && !appeal.may.includes(verb)
}

function missingOf(error: unknown): string[] {
  return error instanceof ApiProblem ? error.missing : []
}

function Refusal({ error }: { error: unknown }) {
  return (
    <p class="problem" role="alert" data-testid="action-refused">
      <strong>{t('action.refused')}.</strong> {explain(error)}
    </p>
  )
}

interface FormProps {
  appeal: Appeal
  etag: string | null
  busy: boolean
  missing: string[]
  act: (doing: () => Promise<unknown>, said: string) => Promise<void>
}

function ResolveForm({ appeal, etag, busy, missing, act }: FormProps) {
  const [gist, setGist] = useState(appeal.gist ?? '')
  const [category, setCategory] = useState(appeal.category ?? '')
  const [result, setResult] = useState(appeal.result ?? '')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const given = { gist: gist.trim(), category, result: result.trim() }
    const form = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
    void act(() => api.resolve(appeal.number, form, etag), t('resolve.done', { number: appeal.number }))
  }
  // The server says what is missing, in one place for every client: the browser's own check stays out of it.
  return (
    <form data-testid="resolve-form" noValidate onSubmit={submit}>
      <label>
        {t('resolve.gist')}
        <textarea name="gist" rows={3} value={gist} aria-required="true" aria-invalid={invalid(missing, 'gist')} onInput={(event) => setGist(event.currentTarget.value)} />
        <FieldProblem missing={missing} name="gist" />
      </label>
      <label>
        {t('resolve.category')}
        <select name="category" value={category} aria-required="true" aria-invalid={invalid(missing, 'category')} onChange={(event) => setCategory(event.currentTarget.value)}>
          <option value="">{t('resolve.choose')}</option>
          {(dictionaries.value?.categories ?? []).map((one) => (
            <option key={one.code} value={one.code}>
              {one.name}
            </option>
          ))}
        </select>
        <FieldProblem missing={missing} name="category" />
      </label>
      <label>
        {t('resolve.result')}
        <textarea name="result" rows={2} value={result} onInput={(event) => setResult(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={busy}>
        {t('resolve.submit')}
      </button>
    </form>
  )
}

function FieldProblem({ missing, name }: { missing: string[]; name: string }) {
  return missing.includes(name) ? <small class="field-problem">{t('resolve.missing', { fields: fields([name]) })}</small> : null
}

function invalid(missing: string[], name: string): 'true' | undefined {
  return missing.includes(name) ? 'true' : undefined
}
