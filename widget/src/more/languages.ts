/** The name of each language, in that language. The list in the settings has this order. */
export const LANGUAGE_NAMES: Readonly<Record<string, string>> = {
  en: 'English',
  'zh-Hans': '简体中文',
  'zh-Hant': '繁體中文',
  fa: 'فارسی',
  ru: 'Русский',
  ar: 'العربية',
  ug: 'ئۇيغۇرچە',
  tr: 'Türkçe',
  my: 'မြန်မာ',
  vi: 'Tiếng Việt',
  es: 'Español',
  fr: 'Français',
  de: 'Deutsch',
};
