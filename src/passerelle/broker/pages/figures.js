// Countries stand in the page as codes, and are named in its language where the browser can do that.
const names = new Intl.DisplayNames([document.documentElement.lang, 'en'], { type: 'region' });
for (const cell of document.querySelectorAll('[data-country]')) {
  cell.textContent = names.of(cell.dataset.country);
}
