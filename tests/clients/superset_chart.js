// Two screenshots of a chart of Superset in headless Chromium: node superset_chart.js url chart first.png second.png
// Prints for each what the chart was fed: {"sum": the sum of its metric}.
const { chromium } = require('playwright-core');

const [url, chart, ...shots] = process.argv.slice(2);

(async () => {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const page = await browser.newPage({ viewport: { width: 1100, height: 650 } });
  await page.goto(`${url}/login/`);
  await page.fill('input[name=username], [data-test=username-input]', 'admin');
  await page.fill('input[name=password], [data-test=password-input]', 'admin');
  await Promise.all([page.waitForURL((u) => !u.pathname.startsWith('/login'), { timeout: 60000 }), page.keyboard.press('Enter')]);
  for (const shot of shots) {
    const answer = page.waitForResponse((r) => r.url().includes('/api/v1/chart/data'), { timeout: 60000 });
    await page.goto(`${url}/explore/?slice_id=${chart}&standalone=1&force=true`);
    const { result } = await (await answer).json();
    // the data is in the form of a pivot: a column for each series
    const sum = result[0].data.reduce((n, row) => n + Object.values(row).filter((v) => typeof v === 'number').reduce((a, b) => a + b, 0), 0);
    await page.waitForSelector('canvas', { timeout: 60000 });
    await page.waitForFunction(() => !document.querySelector('.loading, [data-test=loading-indicator]'), null, { timeout: 60000 });
    await page.waitForTimeout(1500); // the bars grow
    await page.screenshot({ path: shot });
    console.log(JSON.stringify({ sum }));
  }
  await browser.close();
})().catch((e) => { console.error(e); process.exit(1); });
