/** What one signs in with, changed: the password and the second factor. */
import { useState } from 'preact/hooks'
import { api, ApiProblem } from '../api'
import { label, t } from '../i18n'
import { Code } from '../pages/signin'
import { explain } from '../problems'
import { employee } from '../store'
import { seconds } from './bits'

interface Props {
  done: () => void
}

/** Change one's own password; the repeated one must be the same. */
export function PasswordForm({ done }: Props) {
  const { problem, busy, submit } = useForm(async (form) => {
    if (form.get('new') !== form.get('again')) throw DIFFERS
    await api.changePassword(String(form.get('old')), String(form.get('new')))
    done()
  })
  return (
    <form data-testid="password-form" onSubmit={submit}>
      {/* For the browser's own store of passwords, which asks whose this one is. */}
      <input type="text" name="username" autocomplete="username" value={employee.value?.login ?? ''} hidden readOnly aria-label={t('signin.login')} />
      <label>
        {t('account.old')}
        <input name="old" type="password" autocomplete="current-password" required />
      </label>
      <label>
        {t('account.new')}
        <input name="new" type="password" autocomplete="new-password" minLength={8} required aria-describedby="new-hint" />
      </label>
      <p class="muted" id="new-hint">
        {t('account.new_hint')}
      </p>
      <label>
        {t('account.again')}
        <input name="again" type="password" autocomplete="new-password" required />
      </label>
      <p class="form-problem" role="alert" data-testid="password-problem">
        {problem}
      </p>
      <button type="submit" disabled={busy}>
        {t('account.change')}
      </button>
    </form>
  )
}

/** Enrol: first the password (and the code of the factor there is), then a first code of the app. */
export function SecondFactorForm({ done, replaces }: Props & { replaces: boolean }) {
  const [secret, setSecret] = useState<{ secret: string; uri: string } | null>(null)
  const begin = useForm(async (form) => {
    setSecret(await api.beginSecondFactor(String(form.get('password')), String(form.get('code') ?? '')))
  })
  const confirm = useForm(async (form) => {
    await api.confirmSecondFactor(String(form.get('code')))
    done()
  })
  if (secret === null) {
    return (
      <form key="begin" data-testid="factor-form" onSubmit={begin.submit}>
        <label>
          {t('signin.password')}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {replaces ? <Code /> : null}
        <p class="form-problem" role="alert">
          {begin.problem}
        </p>
        <button type="submit" disabled={begin.busy}>
          {t('factor.begin')}
        </button>
      </form>
    )
  }
  return (
    <form key="confirm" data-testid="factor-confirm" onSubmit={confirm.submit}>
      <p>{t('factor.add')}</p>
      <p>
        <a href={secret.uri}>{t('factor.open')}</a>
      </p>
      <p>
        {t('factor.type')} <code data-testid="secret">{secret.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code>
      </p>
      <Code focus />
      <p class="form-problem" role="alert">
        {confirm.problem}
      </p>
      <button type="submit" disabled={confirm.busy}>
        {t('factor.confirm')}
      </button>
    </form>
  )
}

function useForm(send: (form: FormData) => Promise<void>) {
  // Kept as it came, not as a text: the language may be chosen after it.
  const [refused, setRefused] = useState<{ error: unknown } | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    setBusy(true)
    setRefused(null)
    try {
      await send(new FormData(form))
      form.reset()
    } catch (error) {
      setRefused({ error })
    }
    setBusy(false)
  }
  return { problem: refused ? refusal(refused.error) : '', busy, submit }
}

/** The two new passwords are not the same. */
const DIFFERS = Symbol('differs')

function refusal(error: unknown): string {
  if (error === DIFFERS) return t('account.differs')
  if (!(error instanceof ApiProblem)) return explain(error)
  if (error.slug === 'wrong-password') return t('account.wrong')
  if (error.slug === 'second-factor') return t('signin.code_wrong')
  if (error.slug === 'invalid' && error.reason) return label('weak', error.reason)
  if (error.slug === 'crowded') return t('signin.crowded')
  if (error.retryAfterS !== null && error.status === 429) return t('signin.locked', { wait: seconds(error.retryAfterS) })
  return explain(error)
}
