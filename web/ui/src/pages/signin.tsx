/** Sign in: what was typed stays when it is refused, and the reason is said. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiProblem } from '../api'
import { t } from '../i18n'
import { seconds } from '../parts/bits'
import { Settings } from '../parts/header'
import { explain } from '../problems'
import { signedIn, signIn } from '../store'
import { unblock } from '../sound'

const CROWDED_ATTEMPTS = 4

export function SignIn() {
  const [refused, setRefused] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)
  const [asksCode, setAsksCode] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    setRefused(null)
    void unblock() // This is the click that lets the browser ring later.
    try {
      await enter(String(form.get('login')).trim(), String(form.get('password')), String(form.get('code') ?? ''))
    } catch (error) {
      if (isSecondFactor(error)) setAsksCode(true)
      setRefused({ error, codeGiven: Boolean(form.get('code')) })
      setBusy(false)
    }
  }
  const problem = refused ? refusal(refused) : ''
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
        {asksCode ? <Code focus /> : null}
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

/** The field for the second factor; `focus`: it is where one types next. */
export function Code({ focus = false }: { focus?: boolean }) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (focus) field.current?.focus()
  }, [focus])
  return (
    <label>
      {t('signin.code')}
      <input ref={field} name="code" inputMode="numeric" autocomplete="one-time-code" maxLength={7} required data-testid="code" />
    </label>
  )
}

/** Many sign in at once in the morning: the server says when there is room, and the screen waits for it. */
async function enter(login: string, password: string, code: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await signIn(login, password, code)
    } catch (error) {
      const crowded = error instanceof ApiProblem && error.slug === 'crowded' && attempt < CROWDED_ATTEMPTS
      if (!crowded) throw error
      await new Promise((done) => setTimeout(done, (error.retryAfterS ?? 2) * 1000 * (0.5 + Math.random())))
    }
  }
}

/** Kept as it came, not as a text: the language may be chosen after it. */
interface Refused {
  error: unknown
  codeGiven: boolean
}

function isSecondFactor(error: unknown): boolean {
  return error instanceof ApiProblem && error.slug === 'second-factor'
}

function refusal({ error, codeGiven }: Refused): string {
  if (isSecondFactor(error)) return codeGiven ? t('signin.code_wrong') : ''
  if (!(error instanceof ApiProblem)) return explain(error)
  if (error.slug === 'crowded') return t('signin.crowded')
  if (error.retryAfterS !== null && [423, 429, 403, 401].includes(error.status)) {
    const wait = seconds(error.retryAfterS)
    return error.slug === 'too-many-attempts' ? t('signin.address_locked', { wait }) : t('signin.locked', { wait })
  }
  return [400, 401, 403, 422].includes(error.status) ? t('signin.refused') : explain(error)
}
