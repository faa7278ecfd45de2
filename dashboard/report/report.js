(function () {
  "use strict";
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const config = { displaylogo: false, displayModeBar: false, scrollZoom: false };
  let next = 0;
  function draw() {
    const at = next++;
    Plotly.newPlot("plot-" + at, plots[at].data, plots[at].layout, config);
  }
  function soon() {
    if (next < plots.length) { draw(); setTimeout(soon, 0); } else { document.body.dataset.drawn = "all"; }
  }
  window.addEventListener("beforeprint", function () { while (next < plots.length) { draw(); } });
  soon();
})();
