import './forget-bundle.ts';
import './main.ts';
