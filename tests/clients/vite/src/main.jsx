import { h, render } from 'preact';
import { LocationProvider, Route, Router, lazy } from 'preact-iso';
import './style.css';
import mask from './mask.svg?no-inline';

const Play = lazy(() => import('./play.jsx'));

const Home = () => (
  <main>
    <h1>Home</h1>
    <img src={mask} alt="" />
    <a href="/plays/hamlet">Hamlet</a>
  </main>
);

render(
  <LocationProvider>
    <Router>
      <Route path="/" component={Home} />
      <Route path="/plays/:name" component={Play} />
    </Router>
  </LocationProvider>,
  document.getElementById('app'),
);
