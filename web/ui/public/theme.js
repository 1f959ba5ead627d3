// Before the first paint, so that a chosen theme does not flash. A file, not inline: the page may forbid inline scripts.
try {
  var theme = localStorage.getItem('press3.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage may be forbidden; the system theme serves.
}
