/** What must be done before there is a desk: choose one's own password, or enrol a second factor. */
import { t } from '../i18n'
import { PasswordForm, SecondFactorForm } from '../parts/keys'
import { Settings } from '../parts/header'
import { askSession, employee, signOut } from '../store'
import type { Duty } from '../types'

export function DutyPage({ duty }: { duty: Duty }) {
  const password = duty === 'change-password'
  return (
    <main class="signin">
      <div class="panel" data-testid="duty">
        <p class="brand">press3</p>
        <h1>{password ? t('duty.password') : t('duty.factor')}</h1>
        <p class="muted">
          <bdi>{employee.value?.name}</bdi>
        </p>
        <p>{password ? t('duty.password_why') : t('duty.factor_why')}</p>
        {password ? (
          <PasswordForm done={() => void askSession()} />
        ) : (
          <SecondFactorForm done={() => void askSession()} replaces={false} />
        )}
        <button type="button" class="secondary" onClick={() => void signOut()}>
          {t('app.sign_out')}
        </button>
      </div>
      <Settings />
    </main>
  )
}
