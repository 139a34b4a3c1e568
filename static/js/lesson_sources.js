/** The papers that lessons name. Names and titles are the same in every language. Pure. */

const arxiv = (id) => ({ id: `arXiv:${id}`, url: `https://arxiv.org/abs/${id}` });
const doi = (id) => ({ id: `doi:${id}`, url: `https://doi.org/${id}` });
const page = (url) => ({ id: new URL(url).host, url });

/** @type {Record<string, {who: string, title: string, id: string, url: string}>} */
export const SOURCES = {
  sohl: {
    who: "Sohl-Dickstein et al. 2015",
    title: "Deep Unsupervised Learning using Nonequilibrium Thermodynamics",
    ...arxiv("1503.03585"),
  },
  ddpm: { who: "Ho et al. 2020", title: "Denoising Diffusion Probabilistic Models", ...arxiv("2006.11239") },
  score: {
    who: "Song et al. 2021",
    title: "Score-Based Generative Modeling through Stochastic Differential Equations",
    ...arxiv("2011.13456"),
  },
  edm: {
    who: "Karras et al. 2022",
    title: "Elucidating the Design Space of Diffusion-Based Generative Models",
    ...arxiv("2206.00364"),
  },
  iddpm: { who: "Nichol & Dhariwal 2021", title: "Improved Denoising Diffusion Probabilistic Models", ...arxiv("2102.09672") },
  noise: { who: "Chen 2023", title: "On the Importance of Noise Scheduling for Diffusion Models", ...arxiv("2301.10972") },
  clip: {
    who: "Radford et al. 2021",
    title: "Learning Transferable Visual Models From Natural Language Supervision",
    ...arxiv("2103.00020"),
  },
  unclip: {
    who: "Ramesh et al. 2022",
    title: "Hierarchical Text-Conditional Image Generation with CLIP Latents",
    ...arxiv("2204.06125"),
  },
  guidance: { who: "Ho & Salimans 2022", title: "Classifier-Free Diffusion Guidance", ...arxiv("2207.12598") },
  dalle1: { who: "Ramesh et al. 2021", title: "Zero-Shot Text-to-Image Generation", ...arxiv("2102.12092") },
  vqvae: { who: "van den Oord et al. 2017", title: "Neural Discrete Representation Learning", ...arxiv("1711.00937") },
  af2: {
    who: "Jumper et al. 2021",
    title: "Highly accurate protein structure prediction with AlphaFold",
    ...doi("10.1038/s41586-021-03819-2"),
  },
  af3: {
    who: "Abramson et al. 2024",
    title: "Accurate structure prediction of biomolecular interactions with AlphaFold 3",
    ...doi("10.1038/s41586-024-07487-w"),
  },
  spectral: {
    who: "Dieleman 2024",
    title: "Diffusion is spectral autoregression",
    ...page("https://sander.ai/2024/09/02/spectral-autoregression.html"),
  },
  fourier: { who: "Falck et al. 2025", title: "A Fourier Space Perspective on Diffusion Models", ...arxiv("2505.11278") },
  harmful: {
    who: "Dieleman 2024",
    title: "Noise schedules considered harmful",
    ...page("https://sander.ai/2024/06/14/noise-schedules.html"),
  },
};
