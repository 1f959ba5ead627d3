/** Sign in: what was typed stays when it is refused, and the reason is said. */
import { useState } from 'preact/hooks'
import { ApiProblem } from '../api'
import { t } from '../i18n'
import { seconds } from '../parts/bits'
import { Settings } from '../parts/header'
import { explain } from '../problems'
import { signedIn, signIn } from '../store'
import { unblock } from '../sound'

export function SignIn() {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    setProblem('')
    void unblock() // This is the click that lets the browser ring later.
    try {
      await signIn(String(form.get('login')).trim(), String(form.get('password')))
    } catch (error) {
      setProblem(refusal(error))
      setBusy(false)
    }
  }
  return (
    <main class="signin">
      <form data-testid="login-form" onSubmit={submit}>
        <p class="brand">press3</p>
        <h1>{t('signin.title')}</h1>
        <p class="muted">{t('signin.intro')}</p>
        {signedIn.value === 'over' && !problem ? <p class="note">{t('signin.over')}</p> : null}
        <label>
          {t('signin.login')}
          <input name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required />
        </label>
        <label>
          {t('signin.password')}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <p class="form-problem" role="alert" data-testid="login-problem">
          {problem}
        </p>
        <button type="submit" disabled={busy}>
          {busy ? t('signin.busy') : t('signin.submit')}
        </button>
      </form>
      <Settings />
    </main>
  )
}

function refusal(error: unknown): string {
  if (!(error instanceof ApiProblem)) return explain(error)
  if (error.retryAfterS !== null && [423, 429, 403, 401].includes(error.status)) {
    return t('signin.locked', { wait: seconds(error.retryAfterS) })
  }
  return [400, 401, 403, 422].includes(error.status) ? t('signin.refused') : explain(error)
}
