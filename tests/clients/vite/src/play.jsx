import { h } from 'preact';

export default ({ name }) => <h1>Play: {name}</h1>;
